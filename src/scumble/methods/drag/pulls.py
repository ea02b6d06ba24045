"""Pull an image along its points: in its window, and on the supervision grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.images import Window
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import EditBatch
from scumble.methods.drag.displacement import Field, displacement
from scumble.methods.drag.edges import CUT, FADE
from scumble.methods.drag.grid_pairs import GridPairs
from scumble.methods.drag.optimization_fields import DragByOptimization
from scumble.methods.drag.points import PointPair
from scumble.methods.drag.segment import segment_at
from scumble.methods.drag.solid_segment import solid_segment_at
from scumble.methods.drag.warp import warp, warp_noise

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.fields import PointFields

__all__ = ["grid_pairs", "pull", "pull_field", "start_latent", "window_of"]

CELLS = 4
"""Grid steps per latent cell of a side: half the image's resolution where a cell has eight pixels, as published."""


def window_of(batch: EditBatch) -> Window:
    """The window through which the model sees the image."""
    return batch.window or Window(batch.size, batch.size, batch.size)


def grid_pairs(
    batch: EditBatch, pairs: tuple[PointPair, ...], rule: Callable[..., GridPairs] = GridPairs.of
) -> GridPairs:
    """The points on the supervision grid, which is finer than the latent, over the same image."""
    cells = CELLS if batch.model.factor > 1 else 1
    return rule(pairs, window_of(batch), (batch.shape[2] * cells, batch.shape[3] * cells))


def pull_field(batch: EditBatch, method: PointFields, reach: float | None = None, cell: int = 1) -> Field:
    """How the image at the model's size is pulled along the points; ``cell`` pixels of a side count as one."""
    mask = None if batch.change is None else batch.change.amax((0, 1))
    return pull(batch.picture[0], mask, window_of(batch), method.pairs(batch), method.edge, reach, cell)


def pull(
    image: Tensor,
    mask: Tensor | None,
    window: Window,
    pairs: Sequence[PointPair],
    edge: Literal["fade", "cut"] = "fade",
    reach: float | None = None,
    cell: int = 1,
) -> Field:
    """How an image (C, H, W) is pulled along points of the whole picture, of which it shows a window.

    Args:
        image: The window.
        mask: (H, W), what may move; None: everything.
        window: How points of the picture come to it.
        pairs: In pixels of the picture.
        edge: How the pull ends.
        reach: Radius of what a point takes along, in pixels of the image; None: the thing under it.
        cell: So many pixels of a side count as one.
    """
    segment, ends = (segment_at, CUT) if edge == "cut" else (solid_segment_at, FADE)
    moved = [PointPair(window.point(*p.handle), window.point(*p.target)) for p in pairs]
    segments: list[Tensor | None] = []
    if mask is not None and reach is None:
        segments = [segment(image, pair.handle, mask) for pair in moved]
    height, width = image.shape[-2:]
    if cell > 1:
        mask = None if mask is None else F.max_pool2d(mask[None, None], cell)[0, 0]
        segments = [None if one is None else F.avg_pool2d(one[None, None], cell)[0, 0] for one in segments]
        moved = [PointPair(_coarse(p.handle, cell), _coarse(p.target, cell)) for p in moved]
    return displacement((height // cell, width // cell), moved, mask, reach, segments, ends)


def _coarse(point: tuple[float, float], cell: int) -> tuple[float, float]:
    return (point[0] + 0.5) / cell - 0.5, (point[1] + 0.5) / cell - 0.5


def start_latent(batch: EditBatch, method: DragByOptimization, inversion: Inversion) -> Tensor:
    """x at the level of ``strength`` (1, C, h, w): the image's, or that of the image pulled along the points.

    Of the latter the clean part is pulled as an image, the noise cell by cell.
    """
    x = inversion.x_at(inversion.first)
    if not method.warps:
        return x
    level, cell = inversion.levels[inversion.first], batch.model.factor
    mask = None if batch.change is None else batch.change.amax((0, 1))
    with torch.no_grad():
        x0 = batch.model.encode(warp(batch.picture[0], pull_field(batch, method), mask).image[None])
    eps = (x - level.a * inversion.x0) / level.s
    coarse = None if mask is None else F.max_pool2d(mask[None, None], cell)[0, 0]
    fresh = batch.noise.normal(batch.shape, "uncovered", 0).to(eps.device)
    noise = warp_noise(eps[0], fresh[0], pull_field(batch, method, cell=cell), coarse)
    return level.a * x0 + level.s * noise[None]
