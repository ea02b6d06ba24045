"""Means with their uncertainty: percentile bootstrap over cases, NaN left out and counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Mean", "mean_of", "paired"]

DRAWS = 2000


@dataclass(frozen=True)
class Mean:
    """A mean over cases, its 95 % interval, of how many, and how many were not defined there."""

    value: float
    low: float
    high: float
    count: int
    undefined: int = 0

    def text(self, digits: int = 2, scale: float = 1.0) -> str:
        """The mean and its interval in brackets, or a dash where there is none."""
        if not self.count or math.isnan(self.value):
            return "–"
        v, low, high = (f"{scale * x:.{digits}f}" for x in (self.value, self.low, self.high))
        return f"{v} [{low}, {high}]" if self.count > 1 else v


def mean_of(values: Sequence[float], seed: int = 0) -> Mean:
    """Mean and 95 % percentile bootstrap interval of the values that are numbers; the same draws every time."""
    given = np.asarray(values, np.float64)
    known = given[np.isfinite(given)]
    undefined = len(given) - len(known)
    if not len(known):
        return Mean(math.nan, math.nan, math.nan, 0, undefined)
    low, high = _interval(known, seed)
    return Mean(float(known.mean()), low, high, len(known), undefined)


def paired(one: Sequence[float], two: Sequence[float], seed: int = 0) -> Mean:
    """Mean of the differences ``one - two`` of the same cases, with its interval."""
    return mean_of([a - b for a, b in zip(one, two, strict=True)], seed)


def _interval(known: np.ndarray[tuple[int], np.dtype[np.float64]], seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    if len(known) == 1:
        return float(known[0]), float(known[0])
    draws = np.random.default_rng(seed)
    interval = bootstrap((known,), np.mean, n_resamples=DRAWS, method="percentile", rng=draws).confidence_interval
    return float(interval.low), float(interval.high)
