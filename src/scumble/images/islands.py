"""The separate regions of a map, and which of them share a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from scumble.images.window import Box, Window

__all__ = ["Island", "bounding_box", "islands", "merged"]

BLOCK = 8
"""Side in pixels of the blocks on which regions are told apart: what lies nearer than this is one region."""
WORTH = 1.05
"""Two regions share a window if that scales the picture by at most this factor more."""


@dataclass(frozen=True)
class Island:
    """One or several connected regions of a map that are edited in one window.

    Attributes:
        box: Bounding box of the pixels that may change.
        labels: Which regions these are in the block labels of :func:`islands`.
    """

    box: Box
    labels: tuple[int, ...]


def bounding_box(where: npt.NDArray[Any]) -> Box | None:
    """Return the box of the true places of (H, W), or None where there is none."""
    return _box(where) if where.any() else None


def _box(where: npt.NDArray[Any]) -> Box:
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def islands(where: npt.NDArray[Any]) -> tuple[list[Island], npt.NDArray[np.int32]]:
    """Return the connected regions of (H, W), from top to bottom, and the label of every pixel (0: none).

    Regions are told apart on blocks of 8 x 8 pixels; diagonal neighbors belong together.
    """
    from scipy import ndimage

    height, width = where.shape
    padded = np.pad(where, ((0, -height % BLOCK), (0, -width % BLOCK)))
    coarse = padded.reshape(padded.shape[0] // BLOCK, BLOCK, -1, BLOCK).any(axis=(1, 3))
    labels, _ = ndimage.label(coarse, structure=np.ones((3, 3)))
    regions = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        top, left = place[0].start * BLOCK, place[1].start * BLOCK
        inside = np.repeat(np.repeat(labels[place] == number, BLOCK, 0), BLOCK, 1)
        part = where[top : place[0].stop * BLOCK, left : place[1].stop * BLOCK]
        exact = _box(part & inside[: part.shape[0], : part.shape[1]])
        regions.append(Island((exact[0] + left, exact[1] + top, exact[2] + left, exact[3] + top), (number,)))
    full = np.repeat(np.repeat(labels.astype(np.int32), BLOCK, 0), BLOCK, 1)[:height, :width]
    return sorted(regions, key=lambda one: (one.box[1], one.box[0])), np.where(where, full, 0).astype(np.int32)


def merged(regions: list[Island], window: Callable[[Box], Window], most: int) -> tuple[list[Island], bool]:
    """Put regions together that are better edited in one window, and as many more as the limit asks for.

    Args:
        regions: The regions.
        window: Chooses the window of a box.
        most: Largest number of windows.

    Returns:
        The islands from top to bottom, and whether the limit put some together that lie far apart.
    """
    left, forced = list(regions), False
    while len(left) > 1:
        pairs = sorted(combinations(left, 2), key=lambda pair: (_added(*pair), pair[0].box[1::-1], pair[1].box[1::-1]))
        pair = next((pair for pair in pairs if _together(*pair, window)), None)
        if pair is None:
            if len(left) <= most:
                break
            pair, forced = pairs[0], True
        joint = replace(
            pair[0], box=_union(pair[0].box, pair[1].box), labels=tuple(sorted(pair[0].labels + pair[1].labels))
        )
        left = [one for one in left if one not in pair] + [joint]
    return sorted(left, key=lambda one: (one.box[1], one.box[0])), forced


def _together(one: Island, other: Island, window: Callable[[Box], Window]) -> bool:
    first, second, joint = window(one.box), window(other.box), window(_union(one.box, other.box))
    if _contains(first.box, other.box) or _contains(second.box, one.box):
        return joint.scale <= WORTH * max(first.scale, second.scale)
    pays = _pixels(joint) <= _pixels(first) + _pixels(second)
    return pays and joint.scale <= WORTH * max(first.scale, second.scale)


def _union(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _contains(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _added(one: Island, other: Island) -> int:
    return _area(_union(one.box, other.box)) - _area(one.box) - _area(other.box)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _pixels(window: Window) -> int:
    return window.size[0] * window.size[1]
