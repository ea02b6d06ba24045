"""Exact Euclidean distance to the nearest marked pixel, up to a reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scumble.images.islands import bounding_box

__all__ = ["distance_to"]


def distance_to(marked: npt.NDArray[Any], reach: int) -> npt.NDArray[np.float64]:
    """Return the distance (H,W) in pixels from each pixel's center to the nearest marked one, at most ``reach + 1``.

    Only the part is computed in which it is neither 0 nor ``reach + 1``; the cost does not depend on the reach.
    """
    from scipy import ndimage

    inside = np.asarray(marked, bool)
    result = np.where(inside, 0.0, float(reach + 1))
    unmarked, around = bounding_box(~inside), bounding_box(inside)
    if unmarked is None or around is None:
        return result
    left, top = (max(unmarked[k] - 1, around[k] - reach - 1, 0) for k in (0, 1))
    right, bottom = (min(unmarked[k] + 1, around[k] + reach + 1) for k in (2, 3))
    part = inside[top:bottom, left:right]
    if part.any():
        result[top:bottom, left:right] = np.minimum(ndimage.distance_transform_edt(~part), reach + 1)
    return result
