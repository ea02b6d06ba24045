"""Exact Euclidean distance to the nearest marked pixel, up to a reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["distance_to"]


def distance_to(marked: npt.NDArray[Any], reach: int) -> npt.NDArray[np.float64]:
    """Return the distance (H,W) in pixels from each pixel's centre to the nearest marked one, at most ``reach + 1``.

    The squared distance separates: first the nearest along each row, then the nearest of those down each column
    (Felzenszwalb and Huttenlocher 2012), here by shifting since the reach is short.
    """
    far = (reach + 1) ** 2
    squared = np.where(marked, 0, far).astype(np.int64)
    for axis in (1, 0):
        lines = np.moveaxis(squared, axis, 0)
        nearest = lines.copy()
        for step in range(1, min(reach, len(lines) - 1) + 1):
            np.minimum(nearest[step:], lines[:-step] + step**2, out=nearest[step:])
            np.minimum(nearest[:-step], lines[step:] + step**2, out=nearest[:-step])
        squared = np.moveaxis(nearest, 0, axis)
    return np.sqrt(squared)
