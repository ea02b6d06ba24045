"""Whether the change follows the map: correlation and least-squares distance (CAM and DAM of arXiv 2306.00950)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["change_strength", "least_squares", "pearson"]

Field = npt.NDArray[np.float64]


def change_strength(result: Tensor, source: Tensor) -> Field:
    """Return how much each pixel changed: the length of its difference over the channels, (H, W)."""
    return np.asarray((result - source).square().sum(dim=0).sqrt().double().numpy())


def pearson(one: npt.ArrayLike, two: npt.ArrayLike) -> float:
    """Pearson's correlation of two fields of the same shape; NaN where one of them is constant."""
    a, b = (np.asarray(x, np.float64).ravel() for x in (one, two))
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 1e-15 else math.nan


def least_squares(wanted: npt.ArrayLike, measured: npt.ArrayLike) -> float:
    """min over a, b of ||wanted - (a measured + b)||, 0 where the change is a line of the map.

    In closed form ``||wanted - mean|| sqrt(1 - r^2)``; a constant measured change gives ``||wanted - mean||``.
    """
    w = np.asarray(wanted, np.float64).ravel()
    spread = float(np.linalg.norm(w - w.mean()))
    r = pearson(w, measured)
    return spread if math.isnan(r) else spread * math.sqrt(max(0.0, 1 - r * r))
