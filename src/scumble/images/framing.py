"""Where a window lies around its region: where what it shows is framed as a picture is.

A model draws whole things below a horizon. A window whose border halves a neighbor shows it something that it has never
seen, and it mends that within the region: colors of the half thing turn up in the edit.
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
    """Shift a window, at its size and scale: across, to where its border cuts the least; down, to the picture's height.

    Down, the region comes to lie in the window where it lies in the picture: what is below a horizon keeps it in sight.

    Args:
        window: From :func:`~scumble.images.region.region`.
        inside: What it must hold.
        picture: The whole picture, in RGB.
        multiple: Pixels that stay around what it holds, at least, where the picture has them.
    """
    if window.is_whole:
        return window
    left, top, right, bottom = window.box
    margin = max(math.ceil(LEAST * (inside[2] - inside[0] + inside[3] - inside[1]) / 2), multiple)
    first, last = _range(inside[1], inside[3], bottom - top, window.original[1], margin)
    if first < last:
        middle, side = (inside[1] + inside[3]) / 2, bottom - top
        top = min(max(round(middle * (1 - side / window.original[1])), first), last)
        bottom = top + side
    first, last = _range(inside[0], inside[2], right - left, window.original[0], margin)
    if first < last:
        costs = _cuts(picture, first, last + window.box_size[0], (top, bottom))
        left = first + _cheapest(costs, window.box_size[0], left - first)
    return replace(window, box=(left, top, left + window.box_size[0], bottom))


def _range(low: int, high: int, side: int, total: int, margin: int) -> tuple[int, int]:
    """First and last place where a window of that side may begin."""
    room = min(margin, (side - (high - low)) // 2)
    return max(0, high + room - side), min(total - side, low - room)


def _cuts(picture: Image.Image, first: int, last: int, rows: tuple[int, int]) -> Line:
    """What a border before each of some columns cuts: edges that cross it, and things.

    Scenes are layered by height: what differs from the usual color of its row is a thing. The picture's edge is free.
    """
    part = np.asarray(picture.crop((first, rows[0], last, rows[1])), np.float32)
    line = np.abs(np.diff(part, axis=0)).sum(axis=(0, 2), dtype=np.float64)
    line += np.abs(part - np.median(part, axis=1, keepdims=True)).sum(axis=(0, 2), dtype=np.float64)
    costs = np.zeros(part.shape[1] + 1)
    costs[1:-1] = (line[1:] + line[:-1]) / 2
    costs[0] = 0.0 if first == 0 else line[0]
    costs[-1] = 0.0 if last == picture.width else line[-1]
    return costs


def _cheapest(costs: Line, side: int, home: int) -> int:
    """The shift from the first place at which both borders together cost the least."""
    both = costs[: len(costs) - side] + costs[side:]
    shifts = np.abs(np.arange(len(both)) - home)
    return int(np.argmin(both + (HOME * both.mean() + 1e-6) * shifts / max(int(shifts.max()), 1)))
