"""One noise level of ``x = a x0 + s eps``."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["CLEAN", "Level", "conditional_variance", "variance_preserving"]


@dataclass(frozen=True)
class Level:
    """One noise level: ``x = a x0 + s eps``.

    Attributes:
        t: The time that the network is given for this level.
        a: Signal coefficient, float64. Variance preserving: sqrt(abar); flow matching: 1 - sigma.
        s: Noise coefficient, float64. Variance preserving: sqrt(1 - abar); flow matching: sigma.
    """

    t: float
    a: float
    s: float


CLEAN = Level(t=0.0, a=1.0, s=0.0)


def conditional_variance(noisy: Level, clean: Level) -> float:
    """Variance of ``x_i`` given ``x_j`` for ``i`` noisier than ``j``: ``s_i^2 - (a_i/a_j)^2 s_j^2``, never negative."""
    return max(noisy.s**2 - (noisy.a / clean.a) ** 2 * clean.s**2, 0.0)


def variance_preserving(t: float, abar: float) -> Level:
    """The level of a variance-preserving process where ``abar`` of the picture's variance is left."""
    return Level(t=float(t), a=math.sqrt(abar), s=math.sqrt(1.0 - abar))
