"""One edit: of a picture in its windows, or from nothing, with its recipe."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scumble.core.cost import Cost
from scumble.core.loop import Stopped
from scumble.editing.asked import Edit
from scumble.editing.maps_from_words import is_from_words, map_from_words
from scumble.editing.places import hashes_of, load_places, places_in
from scumble.editing.prepared import Prepared
from scumble.editing.recipe_of import recipe_of, used_defaults
from scumble.editing.result import Result
from scumble.editing.run import Run
from scumble.editing.runtime import runtime_notices
from scumble.editing.user_errors import stopped, user_errors
from scumble.editing.window_work import WindowWork
from scumble.editing.windows import Part, choose_parts, recorded, window_record
from scumble.errors import InputError
from scumble.hashing import tensor_sha256
from scumble.images import Picture, Window, describe_map, load_map, usual_feather
from scumble.images.alpha import filled_alpha, is_see_through
from scumble.inversion.inversion import Inversion
from scumble.memory import PeakMemory
from scumble.methods.base import ImageMethod
from scumble.methods.candidates import Candidates
from scumble.records.view import VIEW_0_1

if TYPE_CHECKING:
    pass

__all__ = ["edit_picture", "make_pictures"]


def edit_picture(asked: Edit, picture: Picture) -> Result:
    """Edit a picture in one window or several.

    Raises:
        InputError: For unusable input; MethodError: for what is not defined for the method or the model.
    """
    asked = _as_inverted(asked)
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
    work = WindowWork(asked, picture, parts, feathers, notices, places, alphas)
    started = time.perf_counter()
    with PeakMemory(asked.model.device) as memory, user_errors(size, parts[0].window):
        try:
            work.make(seed)
        except Stopped as stop:
            images, reports = work.done()
            recipe = recipe_of(asked, seed, max(len(images), 1), size, picture.size)
            partial = Result(images, recipe, work.cost, work.notices, reports, picture, change) if images else None
            raise stopped(partial) from stop
        images, reports = work.ordered(change)
    notices += runtime_notices(asked.model)
    work.cost.seconds, work.cost.peak_bytes = time.perf_counter() - started, memory.peak
    work.notices += _from_cache(work.cost)
    windows = [window_record(part, feather) for part, feather in zip(parts, feathers, strict=True)]
    recipe = recipe_of(asked, seed, count, size, picture.size)
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
            recipe = recipe_of(asked, seed, max(len(pixels), 1), size, window.original)
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
    notices += runtime_notices(asked.model)
    cost.seconds, cost.peak_bytes = time.perf_counter() - started, memory.peak
    recipe = recipe_of(asked, seed, count, size, window.original)
    recipe = recipe.model_copy(update={"used": used_defaults(asked.method, run.used)})
    return Result(images, recipe, cost, notices, reports)


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
        notice = "the picture's transparency was kept; give a map to fill transparent places"
        return [], [notice] if is_see_through(picture.alpha) else []
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


def _as_inverted(asked: Edit) -> Edit:
    """The edit in tiles if its inversion was made in tiles.

    Raises:
        InputError: If tiles are asked for and the inversion was made without.
    """
    if asked.inversion is None:
        return asked
    tiled = bool((asked.inversion.window or {}).get("tiles"))
    if asked.view.tiles and not tiled:
        raise InputError("the inversion was made without tiles: leave --tiles out, or invert again with --tiles")
    return replace(asked, view=asked.view.model_copy(update={"tiles": True})) if tiled else asked


def _from_cache(cost: Cost) -> list[str]:
    """Say what the edit did not pay for, where that was rows of the network."""
    return [f"the {what} came from the cache: {rows} rows saved" for what, rows in cost.reused.items() if rows]
