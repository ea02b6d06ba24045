"""Where a window lies around its region: where its border cuts the least, so that what it shows is whole.

A model draws whole things. A window whose border halves a neighbor shows it something that it has never seen, and it
mends that within the region: colors of the half thing turn up in the edit.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from scumble.images.window import Box, Window

__all__ = ["framed"]

LEAST = 0.125
"""Context that stays around the region on every side, as a share of its mean side."""
HOME = 0.15
"""Price of the farthest shift, in units of the mean cost of a cut: where all borders cut alike it is not shifted."""

Line = npt.NDArray[np.float64]


def framed(window: Window, inside: Box, picture: Image.Image, multiple: int = 1) -> Window:
    """Shift a window, at its size and scale, to where its border cuts the least of the picture.

    Args:
        window: From :func:`~scumble.images.region.region`.
        inside: What it must hold.
        picture: The whole picture, in RGB.
        multiple: Pixels that stay around what it holds, at least, where the picture has them.
    """
    if window.is_whole:
        return window
    low, high = list(window.box[:2]), list(window.box[2:])
    sides = (high[0] - low[0], high[1] - low[1])
    margin = max(math.ceil(LEAST * (inside[2] - inside[0] + inside[3] - inside[1]) / 2), multiple)
    for axis in (0, 1):
        total = window.original[axis]
        room = min(margin, (sides[axis] - (inside[axis + 2] - inside[axis])) // 2)
        first = max(0, inside[axis + 2] + room - sides[axis])
        last = min(total - sides[axis], inside[axis] - room)
        if first >= last:
            continue
        costs = _cuts(picture, axis, (first, last + sides[axis]), (low[1 - axis], high[1 - axis]))
        low[axis] = first + _cheapest(costs, sides[axis], low[axis] - first, (first == 0, last + sides[axis] == total))
        high[axis] = low[axis] + sides[axis]
    return replace(window, box=(low[0], low[1], high[0], high[1]))


def _cuts(picture: Image.Image, axis: int, along: tuple[int, int], across: tuple[int, int]) -> Line:
    """What a border before each place along the axis cuts: edges that cross it, and things.

    Scenes are layered by height: what differs from the usual color of its row is a thing.
    """
    box = (along[0], across[0], along[1], across[1]) if axis == 0 else (across[0], along[0], across[1], along[1])
    part = np.asarray(picture.crop(box), np.float32)
    part = part if axis == 0 else part.swapaxes(0, 1)
    line = np.abs(np.diff(part, axis=0)).sum(axis=(0, 2), dtype=np.float64)
    if axis == 0:
        line += np.abs(part - np.median(part, axis=1, keepdims=True)).sum(axis=(0, 2), dtype=np.float64)
    costs = np.zeros(part.shape[1] + 1)
    costs[1:-1] = (line[1:] + line[:-1]) / 2
    costs[0], costs[-1] = costs[1], costs[-2]
    return costs


def _cheapest(costs: Line, side: int, home: int, at_edge: tuple[bool, bool]) -> int:
    """The shift from the first place at which both borders together cost the least."""
    costs = costs.copy()
    for place, free in zip((0, -1), at_edge, strict=True):
        if free:
            costs[place] = 0.0
    both = costs[: len(costs) - side] + costs[side:]
    shifts = np.abs(np.arange(len(both)) - home)
    return int(np.argmin(both + (HOME * both.mean() + 1e-6) * shifts / max(int(shifts.max()), 1)))
