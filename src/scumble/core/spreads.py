"""Sigmas of a run spread by a formula between two ends, whatever timesteps they fall on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["SPREADS"]

Array = npt.NDArray[np.float64]


def _karras(high: float, low: float, n: int, rho: float = 7.0) -> Array:
    """arXiv 2206.00364 eq. 5."""
    ends = high ** (1 / rho), low ** (1 / rho)
    return np.asarray((ends[0] + np.linspace(0, 1, n) * (ends[1] - ends[0])) ** rho, np.float64)


def _exponential(high: float, low: float, n: int) -> Array:
    """Evenly in log sigma."""
    return np.asarray(np.exp(np.linspace(math.log(high), math.log(low), n)), np.float64)


def _beta(high: float, low: float, n: int, shape: float = 0.6) -> Array:
    """Densely at both ends: quantiles of a beta distribution (arXiv 2407.12173)."""
    from scipy.special import betaincinv

    return np.asarray(low + betaincinv(shape, shape, 1 - np.linspace(0, 1, n)) * (high - low), np.float64)


SPREADS: Mapping[str, Callable[[float, float, int], Array]] = {
    "use_karras_sigmas": _karras,
    "use_exponential_sigmas": _exponential,
    "use_beta_sigmas": _beta,
}
"""Key of a scheduler config -> n sigmas from the highest to the lowest."""
