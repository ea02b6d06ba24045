"""The windows of one edit, one after the other, and the candidates they make together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from PIL import Image
from torch import Tensor

from scumble.core.cost import Cost
from scumble.editing.asked import Edit
from scumble.editing.composed import Composed, Patch
from scumble.editing.looks import looks
from scumble.editing.places import Place, places_in
from scumble.editing.prepared import prepare, profile_in
from scumble.editing.run import Run
from scumble.editing.windows import Part
from scumble.images import Box, Picture
from scumble.methods.candidates import Candidates
from scumble.models.base import Model
from scumble.models.tiled import TiledModel

if TYPE_CHECKING:
    pass

__all__ = ["WindowWork"]


class WindowWork:
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
        self.notices += looks(self.asked, self.parts, self.profile)
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


class _Views(Sequence[Image.Image]):
    """The candidates as judges see them: the window alone."""

    def __init__(self, images: Composed, box: Box) -> None:
        self.images, self.box = images, box

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        """The window of one candidate."""
        return Image.fromarray(self.images.pixels(index, self.box))


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _around(boxes: Sequence[Box]) -> Box:
    return (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
