"""A smooth field that takes every handle to its target and fades to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scumble.methods.drag.edges import FADE, Array, Edge
from scumble.methods.drag.points import PointPair

__all__ = ["FINE", "SOLID", "Field", "displacement"]

FINE = 2
"""Samples per pixel of a side when pixels are sent on their way."""
SHARE = 1 / 6
"""Without a mask a point takes along what lies within this share of the picture's shorter side."""
SOLID = 0.5
"""Pixels moved by more than this share of the way count as the moved thing, the others as what lies behind it."""


@dataclass(frozen=True)
class Field:
    """A displacement of pixels.

    Attributes:
        offset: (H FINE, W FINE, 2), down and across in pixels, at the centres of a finer grid.
        share: (H FINE, W FINE) in [0, 1]: how far a place follows its nearest point; more lies in front of less.
    """

    offset: Array
    share: Array


def displacement(
    size: tuple[int, int],
    pairs: Sequence[PointPair],
    mask: Tensor | None = None,
    radius: float | None = None,
    things: Sequence[Tensor | None] = (),
    edge: Edge = FADE,
) -> Field:
    """Return a smooth field that takes every handle exactly to its target and fades to nothing.

    Each handle takes along its thing, or what lies within ``radius``; where reaches overlap they are solved together.

    Args:
        size: (H, W).
        pairs: Points in pixels of this picture.
        mask: (H, W), what may move: above 0. None: everything.
        radius: In pixels; None: up to the nearest place that the mask holds, or a sixth of the shorter side.
        things: For each pair the thing (H, W) in [0, 1] that moves with it as a whole (of ``segment_at``), or None.
        edge: How the pull ends.
    """
    height, width = size
    rows, columns = ((np.arange(n * FINE) + 0.5) / FINE - 0.5 for n in (height, width))
    free, black = np.ones((height * FINE, width * FINE)), None
    if mask is not None:
        fixed = ~(mask.cpu().numpy() > 0)
        black = np.argwhere(fixed) if fixed.any() else None
        free = np.repeat(np.repeat((~fixed).astype(np.float64), FINE, 0), FINE, 1)
    handles = np.array([pair.handle[::-1] for pair in pairs])
    ways = np.array([pair.target[::-1] for pair in pairs]) - handles
    reaches = [_reach(black, handle, size) if radius is None else radius for handle in handles]

    shares = np.stack(
        [_disc(handle, reach, rows, columns, edge) for handle, reach in zip(handles, reaches, strict=True)]
    )
    solids = [None if thing is None else _fine(thing) for thing in things] or [None] * len(pairs)
    near = np.stack([1 / ((rows[:, None] - h[0]) ** 2 + (columns[None] - h[1]) ** 2 + 1e-6) for h in handles])
    for k, thing in enumerate(solids):
        if thing is not None:  # of several handles in one thing the nearer one counts more: it bends between them
            rivals = sum(near[j] * (other > 0) for j, other in enumerate(solids) if other is not None)
            shares[k] = thing * near[k] / np.maximum(rivals, near[k])
    shares *= free
    if black is not None:
        depth = _depth(fixed)
        for k, handle in enumerate(handles):
            one, clearance = solids[k], float(np.sqrt(((black - handle) ** 2).sum(-1).min()))
            if one is None and reaches[k] <= clearance:  # it has fallen to nothing before
                continue
            if one is None or bool(((one > 0) & (depth <= 1.0) & (free > 0)).any()):
                shares[k] *= edge.rim(depth, min(clearance, reaches[k]))
    shares[shares < 1e-3] = 0.0
    between = np.array([_at(shares, (handle + 0.5) * FINE - 0.5) for handle in handles])
    pull, *_ = np.linalg.lstsq(between, ways, rcond=1e-6)
    return Field(np.tensordot(shares, pull, axes=(0, 0)), shares.sum(0).clip(max=1))


def _reach(black: npt.NDArray[np.int64] | None, handle: Array, size: tuple[int, int]) -> float:
    if black is None:
        return min(size) * SHARE
    return max(float(np.sqrt(((black - handle) ** 2).sum(-1).min())), 2.0)


def _disc(handle: Array, reach: float, rows: Array, columns: Array, edge: Edge) -> Array:
    return edge.disc(((rows[:, None] - handle[0]) ** 2 + (columns[None] - handle[1]) ** 2) / reach**2)


def _depth(fixed: npt.NDArray[np.bool_]) -> Array:
    """Distance of every sample from the nearest pixel that the mask holds."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(~fixed)
    return np.repeat(np.repeat(depth, FINE, 0), FINE, 1)


def _at(shares: Array, place: Array) -> Array:
    """Bilinear samples of (N, rows, columns) at one place."""
    for position in place:
        position = min(max(float(position), 0.0), shares.shape[1] - 1.0)
        low = min(int(position), shares.shape[1] - 2)
        shares = shares[:, low] * (1 - position + low) + shares[:, low + 1] * (position - low)
    return shares


def _fine(thing: Tensor) -> Array:
    return np.repeat(np.repeat((thing.cpu().numpy() > SOLID).astype(np.float64), FINE, 0), FINE, 1)
