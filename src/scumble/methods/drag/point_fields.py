"""What methods share that are told where points go: fields, places, the pull along them, the arrival."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import field_validator

from scumble.methods.base import ImageMethod
from scumble.methods.drag.points import GridPairs, PointPair, flat_points, pairs_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.images import Window
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.warp import Field as Pull

__all__ = ["PointFields"]

FAR = 0.25
"""A point has not arrived when more than this share of its way, and more than two grid steps, are left."""
DRAWS = 4
"""Noise draws under which features of the finished picture are compared."""
CELLS = 4
"""Grid steps per latent cell of a side: half the picture's resolution where a cell has eight pixels, as published."""


class PointFields(ImageMethod):
    """Fields of methods that are told where points go. The change map is the mask: white may change."""

    scene_wide: ClassVar[bool] = True
    advice: ClassVar[str] = "try a smaller --reach, or free more in the mask"
    """What to do about a point that did not arrive."""

    points: tuple[tuple[float, float, float, float], ...] = ()
    """Pairs of points, from x, y to x, y, in pixels of the picture; the centre of the first pixel is 0, 0."""
    prompt: str = ""
    """What the picture shows; empty works too."""

    @field_validator("points", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        return flat_points(value)

    def check(self, batch: EditBatch) -> None:
        """Refuse points that cannot be dragged; remark on a mask that holds them."""
        super().check(batch)
        for k, pair in enumerate(self.pairs(batch)):
            for what, (x, y) in (("handle", pair.handle), ("target", pair.target)):
                if batch.change is not None and not _free(batch, x, y):
                    batch.notices.append(
                        f"the {what} of pair {k + 1} lies where the mask is black: it cannot move there"
                    )

    def place(self, batch: EditBatch) -> Window:
        """How the picture came to the model's size."""
        from scumble.images import Window

        return batch.window or Window(batch.size, batch.size, batch.size)

    def pairs(self, batch: EditBatch) -> tuple[PointPair, ...]:
        """The points, checked."""
        return pairs_of(self.points, self.place(batch).original)

    def on_grid(self, batch: EditBatch, rule: Callable[..., GridPairs] = GridPairs.of) -> GridPairs:
        """The points on a grid that is finer than the latent, over the same picture."""
        cells = CELLS if batch.model.factor > 1 else 1
        return rule(self.pairs(batch), self.place(batch), (batch.shape[2] * cells, batch.shape[3] * cells))

    def site(self, batch: EditBatch) -> str:
        """The layer whose features tell points apart."""
        from scumble.methods.drag.supervision import supervision_site

        return supervision_site(batch.model.denoiser)

    def field(self, batch: EditBatch, reach: float | None = None, cell: int = 1) -> Pull:
        """How the picture at the model's size is pulled along the points; ``cell`` pixels of a side count as one."""
        import torch.nn.functional as F

        from scumble.methods.drag.warp import displacement, segment_at

        place, mask = self.place(batch), None if batch.change is None else batch.change.amax((0, 1))
        pairs = [PointPair(place.point(*p.handle), place.point(*p.target)) for p in self.pairs(batch)]
        things: list[Tensor | None] = []
        if mask is not None and reach is None:
            things = [segment_at(batch.picture[0], pair.handle, mask) for pair in pairs]
        height, width = batch.picture.shape[-2:]
        if cell > 1:
            mask = None if mask is None else F.max_pool2d(mask[None, None], cell)[0, 0]
            things = [None if thing is None else F.avg_pool2d(thing[None, None], cell)[0, 0] for thing in things]
            pairs = [PointPair(_coarse(p.handle, cell), _coarse(p.target, cell)) for p in pairs]
        return displacement((height // cell, width // cell), pairs, mask, reach, things)

    def arrival(self, batch: EditBatch, made: Tensor, tracked: Tensor | None = None) -> tuple[dict[str, Any], ...]:
        """Say for every point how far from its target it is found in the result (1, C, h, w), and remark on those that
        did not arrive.

        Args:
            job: The batch.
            made: The result in the model's space.
            tracked: (N, 2) where tracking last saw the points on the grid.
        """
        import torch

        from scumble.methods.drag.arrival import arrivals

        pairs, draws = self.on_grid(batch), batch.noise.select(0, 1)
        noises = [draws.normal((1, *batch.shape[1:]), "arrival", k) for k in range(DRAWS)]
        with torch.no_grad(), batch.watch.phase("measure"):
            cond = batch.embed(self.prompt)
            seen = arrivals(batch.model, batch.x0, made, cond, self.site(batch), pairs, noises, batch.cost)
        targets = pairs.targets.to(seen.device)
        left = pairs.pixels(targets - seen)
        lost = None if tracked is None else pairs.pixels(targets - tracked)
        told = []
        for k, pair in enumerate(self.pairs(batch)):
            arrived = left[k] <= max(2 * max(pairs.scale), FAR * pair.distance)
            row = {"handle": pair.handle, "target": pair.target, "distance": round(pair.distance, 2)}
            row |= {"arrival_error": round(left[k], 2), "arrived": arrived}
            told.append(row if lost is None else {**row, "tracked_error": round(lost[k], 2)})
            if not arrived:
                batch.notices.append(
                    f"point {k + 1} did not arrive: {left[k]:.1f} of {pair.distance:.1f} pixels are left; {self.advice}"
                )
        return tuple(told)


def _coarse(point: tuple[float, float], cell: int) -> tuple[float, float]:
    return (point[0] + 0.5) / cell - 0.5, (point[1] + 0.5) / cell - 0.5


def _free(batch: EditBatch, x: float, y: float) -> bool:
    from scumble.images import Window

    assert batch.change is not None
    height, width = batch.change.shape[-2:]
    column, row = (batch.window or Window(batch.size, batch.size, batch.size)).point(x, y)
    return bool(batch.change[:, 0, min(max(round(row), 0), height - 1), min(max(round(column), 0), width - 1)].any())
