"""One edit: its windows one after the other, the candidates they make together, and the recipe."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scumble.core.cost import Cost
from scumble.core.loop import Stopped
from scumble.editing.composed import Composed, Patch
from scumble.editing.maps_from_words import is_from_words, map_from_words
from scumble.editing.places import Place, hashes_of, load_places, places_in
from scumble.editing.prepared import Prepared, prepare, profile_in
from scumble.editing.result import Result
from scumble.editing.run import PHOTOGRAPHS, Run, stopped, user_errors
from scumble.editing.windows import Part, choose_parts, recorded, window_record
from scumble.errors import InputError
from scumble.file_field import named_files
from scumble.hashing import files_sha256, tensor_sha256
from scumble.images import Box, Picture, Window, describe_map, load_map, usual_feather
from scumble.images.alpha import filled_alpha, is_see_through
from scumble.inversion.inversion import Inversion
from scumble.memory import PeakMemory
from scumble.methods.base import Candidates, ImageMethod, Method
from scumble.methods.reuse import Reuse
from scumble.methods.watch import Cancel, OnStep, Watch
from scumble.models.base import Model
from scumble.models.tiled import TiledModel
from scumble.records.metadata import without_folders
from scumble.records.recipe import Recipe, environment
from scumble.records.view import VIEW_0_1, View, WindowRecord

if TYPE_CHECKING:
    from scumble.methods.extras.extras import Extra

__all__ = ["Edit", "edit_picture", "make_pictures"]

MAX_SEED = 2**63 - 1
REPEATS = 0.5
"""Redrawn share from which tiles tend to repeat things."""
WHOLE_WORD = 3
"""Tokens of a word that a tokenizer knows as a whole: the word between two markers."""


@dataclass(frozen=True)
class Edit:
    """What is asked of an edit.

    Attributes:
        model: The model.
        method: The method.
        seed: Of the first candidate; None draws one.
        count: Number of candidates.
        batch_size: Candidates at once; None: up to 8.
        view: How it looks at the picture.
        on_step: Called after each step.
        also: What acts besides the method.
        inversion: The picture's inversion, or None.
        fresh: (H, W) of the picture, where it was filled in and is no source of detail; or None.
        windows: The windows of a recipe that is made again.
        only: Make this candidate alone, just as the whole edit makes it; None: all.
        cancel: Asked before each network call whether to stop.
        exact_batch: Whether the batch size is 1 for the sake of the last bit.
        reuse: What earlier edits made of the picture.
    """

    model: Model
    method: Method
    seed: int | None = None
    count: int = 1
    batch_size: int | None = None
    view: View = field(default_factory=View)
    on_step: OnStep | None = None
    also: Sequence[Extra] = ()
    inversion: Inversion | None = None
    fresh: npt.NDArray[np.bool_] | None = None
    windows: Sequence[WindowRecord] = ()
    only: int | None = None
    cancel: Cancel | None = None
    exact_batch: bool = False
    reuse: Reuse = field(default_factory=Reuse)

    @property
    def watch(self) -> Watch:
        """Who looks on."""
        return Watch(self.on_step, self.cancel)

    def numbers(self) -> tuple[int, int, int]:
        """Seed, number of candidates and size of a batch, checked.

        Raises:
            InputError: If one is out of its range.
        """
        if self.count < 1:
            raise InputError(f"count must be 1 or more, got {self.count}")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size must be 1 or more, got {self.batch_size}")
        seed = secrets.randbits(31) if self.seed is None else self.seed
        if not 0 <= seed <= MAX_SEED - self.count:
            raise InputError(f"seed must be 0 to {MAX_SEED - self.count}, got {seed}")
        return seed, self.count, min(self.count, self.batch_size or 8)

    def batches(self) -> list[tuple[int, int]]:
        """First and last + 1 of the candidates of each batch that is to be made."""
        _, count, size = self.numbers()
        all_of_them = [(first, min(first + size, count)) for first in range(0, count, size)]
        return [one for one in all_of_them if self.only is None or one[0] <= self.only < one[1]]


def edit_picture(asked: Edit, picture: Picture) -> Result:
    """Edit a picture in one window or several.

    Raises:
        InputError: For unusable input; MethodError: for what is not defined for the method or the model.
    """
    seed, count, size = asked.numbers()
    given, notices = _given_map(asked, picture)
    change = None if given is None else cast("ImageMethod", asked.method).prepare_map(given)
    notices += [] if change is None else [describe_map(change)]
    alphas, transparent = _transparency(asked, picture, change)
    notices += transparent
    places, where = load_places(asked.model, asked.method, picture.size, picture)
    fixed = None if asked.inversion is None else _window_of(asked.inversion, picture.size)
    parts, remarks = choose_parts(asked.model, asked.method, picture.size, change, asked.view, fixed, picture.rgb)
    parts, differences = recorded(parts, asked.windows)
    notices = [*picture.carried.notices, *notices, *where, *remarks, *differences]
    feathers = [_feather(asked, part, k) for k, part in enumerate(parts)]
    work = _Work(asked, picture, parts, feathers, notices, places, alphas)
    started = time.perf_counter()
    with PeakMemory(asked.model.device) as memory, user_errors(size, parts[0].window):
        try:
            work.make(seed)
        except Stopped as stop:
            images, reports = work.done()
            recipe = _recipe(asked, seed, max(len(images), 1), size, picture.size)
            partial = Result(images, recipe, work.cost, work.notices, reports, picture, change) if images else None
            raise stopped(partial) from stop
        images, reports = work.ordered(change)
    work.cost.seconds, work.cost.peak_bytes = time.perf_counter() - started, memory.peak
    work.notices += _from_cache(work.cost)
    windows = [window_record(part, feather) for part, feather in zip(parts, feathers, strict=True)]
    recipe = _recipe(asked, seed, count, size, picture.size)
    recipe = recipe.model_copy(
        update={
            "input": {"name": picture.path_name or "", "sha256": picture.sha256},
            "parent": picture.sha256 if picture.has_recipe else None,
            "change_map": None if change is None else {"name": asked.method.map_name, "sha256": tensor_sha256(change)},
            "view": asked.view,
            "fade": asked.view.fade,
            "windows": windows,
            "used": used_defaults(asked.method, work.runs[0].used),
            "files": {**recipe.files, **hashes_of(places)},
        }
    )
    return Result(images, recipe, work.cost, work.notices, reports, picture, change, work.frames(), given)


def make_pictures(asked: Edit, window: Window) -> Result:
    """Make pictures from nothing, at the window's size."""
    seed, count, size = asked.numbers()
    places, notices = load_places(asked.model, asked.method, window.original, None)
    cost, started = Cost(), time.perf_counter()
    prepared = Prepared(window, places=places_in(places, window))
    run = Run(asked.model, asked.method, prepared, asked.view, 0, cost, notices, asked.watch, None, asked.also)
    pixels: list[npt.NDArray[np.uint8]] = []
    with PeakMemory(asked.model.device) as memory, user_errors(size, window):
        try:
            for first, stop in asked.batches():
                pixels += run(seed, first, stop)
        except Stopped as stopping:
            recipe = _recipe(asked, seed, max(len(pixels), 1), size, window.original)
            done = [Image.fromarray(one) for one in pixels]
            raise stopped(Result(done, recipe, cost, notices, run.reports[: len(done)]) if done else None) from stopping
    images = [Image.fromarray(one) for one in pixels]
    reports, order = run.reports, None
    if asked.only is not None:
        place = asked.only - asked.batches()[0][0]
        images, reports = [images[place]], [{**reports[place], "candidate": asked.only}]
    else:
        device = torch.device(asked.model.device)
        order = asked.method.finish(Candidates(images, None, None, reports, notices, run.cache, device))
    if order is not None:
        images, reports = [images[k] for k in order], [{**reports[k], "candidate": k} for k in order]
    cost.seconds, cost.peak_bytes = time.perf_counter() - started, memory.peak
    recipe = _recipe(asked, seed, count, size, window.original)
    recipe = recipe.model_copy(update={"used": used_defaults(asked.method, run.used)})
    return Result(images, recipe, cost, notices, reports)


class _Work:
    """The windows of one edit, and what they have made so far."""

    def __init__(
        self,
        asked: Edit,
        picture: Picture,
        parts: Sequence[Part],
        feathers: Sequence[int],
        notices: list[str],
        places: Sequence[Place] = (),
        alphas: Sequence[Image.Image] = (),
    ) -> None:
        self.alphas = alphas
        self.asked, self.picture, self.parts, self.feathers = asked, picture, parts, feathers
        self.cost, self.notices, self.places = Cost(), notices, places
        self.profile = profile_in(picture.rgb)
        self.model = cast("Model", TiledModel(asked.model)) if asked.view.tiles else asked.model
        self.reports: list[dict[str, Any]] = []
        self.runs: list[Run] = []
        self.images, self.first = Composed(picture, ()), 0
        self.candidates: list[list[Patch]] = []
        self.begun: list[dict[str, Any]] = []

    def make(self, seed: int) -> None:
        """Make the candidates, window after window."""
        self._tell_views()
        batches = self.asked.batches()
        self.first = batches[0][0]
        candidates = self.candidates = [[] for _ in range(batches[-1][1] - self.first)]
        for k, part in enumerate(self.parts):
            self.images = Composed(self.picture, candidates)
            if any(_overlap(part.window.box, earlier.box) for earlier in self.parts[:k]):
                runs = [(self._run(k, n), self.first + n, self.first + n + 1) for n in range(len(candidates))]
            else:
                run = self._run(k, 0)
                runs = [(run, first, stop) for first, stop in batches]
            reports: list[dict[str, Any]] = []
            for run, first, stop in runs:
                self.begun = reports
                before = len(run.reports)
                for n, pixels in enumerate(run(seed, first, stop), start=first - self.first):
                    candidates[n].append(Patch(part.window.box, pixels))
                reports += run.reports[before:]
            if isinstance(model := runs[-1][0].model, TiledModel):
                self.cost.forward_rows += model.rows
                self.cost.network_calls += model.calls
            self._account(k, reports)
            self.runs.append(runs[-1][0])
        self.images = self._composed(candidates)

    def done(self) -> tuple[Composed, list[dict[str, Any]]]:
        """The candidates that were finished in every window when the edit was stopped."""
        whole = [patches for patches in self.candidates if len(patches) == len(self.parts)]
        reports = self.reports or self.begun
        return self._composed(whole), [*reports, *({} for _ in whole)][: len(whole)]

    def ordered(self, change: Tensor | None) -> tuple[Composed, list[dict[str, Any]]]:
        """Let the method look at all candidates together, in the window; it may choose and order them."""
        if self.asked.only is not None:
            place = self.asked.only - self.first
            return self.images.chosen([place]), [{**self.reports[place], "candidate": self.asked.only}]
        box = _around([part.window.box for part in self.parts])
        left, top, right, bottom = box
        views = _Views(self.images, box)
        inside = None if change is None else change[..., top:bottom, left:right]
        device, cache = torch.device(self.asked.model.device), self.runs[-1].cache
        source = self.picture.rgb if box == (0, 0, *self.picture.size) else self.picture.rgb.crop(box)
        together = Candidates(views, source, inside, self.reports, self.notices, cache, device)
        order = self.asked.method.finish(together)
        if order is None:
            return self.images, self.reports
        return self.images.chosen(order), [{**self.reports[k], "candidate": k} for k in order]

    def frames(self) -> list[Image.Image]:
        """The pictures of the way there, where the method makes them."""
        part = self.parts[0]
        whole = [Composed(self.picture, [[Patch(part.window.box, pixels)]]) for pixels in self.runs[0].frames()]
        return [one[0] for one in whole]

    def _composed(self, candidates: Sequence[Sequence[Patch]]) -> Composed:
        """The candidates with their transparency; where only some are made, with that of those."""
        alphas = self.alphas if len(self.alphas) < 2 else self.alphas[self.first : self.first + len(candidates)]
        return Composed(self.picture, candidates, alphas)

    def _run(self, k: int, index: int) -> Run:
        asked, part = self.asked, self.parts[k]
        left, top, right, bottom = part.window.box
        pixels = self.images.pixels(index, part.window.box)
        fresh = None if asked.fresh is None else asked.fresh[top:bottom, left:right]
        prepared = prepare(self.model, part, pixels, self.profile, fresh, places_in(self.places, part.window))
        self.notices += [notice for notice in prepared.notices if notice not in self.notices]
        return Run(
            self.model,
            asked.method,
            prepared,
            asked.view,
            self.feathers[k],
            self.cost,
            self.notices,
            asked.watch,
            asked.inversion,
            asked.also,
            (k, len(self.parts)),
            self.runs[-1].cache.for_window() if self.runs else None,
            None if asked.view.tiles else asked.reuse,
        )

    def _account(self, k: int, reports: list[dict[str, Any]]) -> None:
        """Put the reports of a window to those of the candidates; what windows after the first say stands by itself."""
        if k == 0:
            self.reports = reports
            return
        for before, report in zip(self.reports, reports, strict=True):
            if report:
                before[f"window {k + 1}"] = report

    def _tell_views(self) -> None:
        runtime = self.model.runtime
        if runtime and runtime.remark:
            self.notices.append(runtime.remark)
        for part in self.parts:
            self.notices.append(_looked_at(part.window, self.asked))
        if self.profile is not None:
            self.notices.append(f'colors were worked on in sRGB and returned to "{self.profile.name}"')
        self._tell_words()
        method = self.asked.method
        if self.asked.view.tiles and method.strength_is_global and getattr(method, "strength", 0) > REPEATS:
            strength = getattr(method, "strength", 0)
            self.notices.append(
                f"tiles at strength {strength:g} may repeat objects; {REPEATS:g} or less keeps the composition"
            )

    def _tell_words(self) -> None:
        """Name the words of the prompt that a small model has never read: it knows every word it read as a whole."""
        model = self.asked.model
        if not model.takes_text or model.native_size >= PHOTOGRAPHS:
            return
        method = self.asked.method
        texts = [method.first_prompt, *(words.text for words in getattr(method, "placed_words", ()))]
        for word in dict.fromkeys(re.findall(r"[a-z]+", " ".join(texts).lower())):
            if len(model.tokens(word)) > WHOLE_WORD:
                self.notices.append(f'"{word}" is not a word this model knows')


class _Views(Sequence[Image.Image]):
    """The candidates as judges see them: the window alone."""

    def __init__(self, images: Composed, box: Box) -> None:
        self.images, self.box = images, box

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        """The window of one candidate."""
        return Image.fromarray(self.images.pixels(index, self.box))


def _looked_at(window: Window, asked: Edit) -> str:
    """Say at what size the model works, and on what."""
    size = "x".join(map(str, window.scaled))
    whole = "x".join(map(str, window.original))
    left, top, right, bottom = window.box
    scale = window.scale
    how = "not scaled" if scale == 1.0 else f"scaled {'down' if scale > 1 else 'up'} {max(scale, 1 / scale):.1f} times"
    if not window.is_whole:
        more = "; --tiles works at full size" if scale > 1.5 and asked.method.tileable else ""
        return f"worked at {size} in the region {left},{top}-{right},{bottom} of {whole}, {how}{more}"
    if scale <= 1.0:
        return f"worked at {size} on the whole picture, {how}"
    more = "; give a map or --window region for full sharpness" if scale > 1.5 else ""
    return f"worked on the whole picture at {size}, {how}{more}"


def _given_map(asked: Edit, picture: Picture) -> tuple[Tensor | None, list[str]]:
    """The change map as it was given, 1 = change, at the picture's size."""
    method = asked.method
    if not isinstance(method, ImageMethod) or method.change_map is None:
        return None, []
    if is_from_words(method.change_map):
        image, remark = map_from_words(asked.model, method, str(method.change_map), picture.rgb)
        change, notices = load_map(image, picture.size)
        return change, [*notices, remark]
    return load_map(method.change_map, picture.size, polarity=method.polarity)


def _transparency(asked: Edit, picture: Picture, change: Tensor | None) -> tuple[list[Image.Image], list[str]]:
    """The transparency of the results, where it is not the picture's, and what is to be said about it."""
    if picture.alpha is None or asked.view.transparency == "keep":
        return [], []
    if change is None:
        kept = "the picture's transparency was kept; give a map to fill transparent places"
        return [], [kept] if is_see_through(picture.alpha) else []
    if not is_see_through(picture.alpha, change[:, 0].amax(0)):
        return [], []
    filled = "transparent places became as opaque as the map is strong there; --transparency keep leaves them"
    return [filled_alpha(picture.alpha, one[0]) for one in change], [filled]


def _feather(asked: Edit, part: Part, k: int) -> int:
    """The feather of a window: the one asked for, the recorded one, or one cell of the model."""
    given = asked.method.feathered
    if given is not None:
        return given
    if asked.view == VIEW_0_1:
        return 0
    if k < len(asked.windows):
        return asked.windows[k].feather
    if part.change is None:
        return 0
    return usual_feather(part.change.amax(0), max(asked.model.factor, 2) * part.window.scale)


def _window_of(inversion: Inversion, size: tuple[int, int]) -> Window | None:
    """The window that an inversion is of; None: the whole picture as version 0.1 saw it."""
    record = inversion.window
    if record is None:
        return None
    return Window(size, tuple(record["scaled"]), tuple(record["size"]), tuple(record["box"]), record.get("context"))


def _recipe(asked: Edit, seed: int, count: int, batch_size: int, size: tuple[int, int]) -> Recipe:
    model, method, runtime = asked.model, asked.method, asked.model.runtime
    return Recipe(
        method=method.method_name(),
        parameters=without_folders(method.model_dump(mode="json")),
        seed=seed,
        count=count,
        batch_size=batch_size,
        exact_batch=asked.exact_batch,
        size=size,
        model={"name": model.name, "sha256": model.weights_hash},
        model_settings=dict(model.settings),
        environment=environment(
            str(model.device),
            runtime.precision if runtime else str(model.dtype).split(".")[-1],
            f"{runtime.name} {runtime.version}" if runtime else "torch",
        ),
        files=_files(asked),
        also=[{"kind": one.kind, **without_folders(one.model_dump(mode="json"))} for one in asked.also],
    )


def _from_cache(cost: Cost) -> list[str]:
    """Say what the edit did not pay for, where that was rows of the network."""
    return [f"the {what} came from the cache: {rows} rows saved" for what, rows in cost.reused.items() if rows]


def used_defaults(method: Method, used: Mapping[str, Any]) -> dict[str, Any]:
    """What the defaults of fields that were left out came to."""
    fields = type(method).model_fields
    return {name: value for name, value in used.items() if name in fields and getattr(method, name) is None}


def _files(asked: Edit) -> dict[str, dict[str, str]]:
    """Name and content of the other files that method and extras name, by their place."""
    named = [*named_files(asked.method)]
    named += [file for k, one in enumerate(asked.also) for file in named_files(one, f"also.{k}.")]
    paths = {file.place: Path(file.path) for file in named}
    return {
        place: {"name": path.name, "sha256": files_sha256([path])} for place, path in paths.items() if path.is_file()
    }


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _around(boxes: Sequence[Box]) -> Box:
    return (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
