"""CFG++: go to the guided image, noise it with the unconditional noise (arXiv 2406.08070 algorithm 2)."""

from __future__ import annotations

from scumble.core.guiders.base import Guider, Scale
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level

__all__ = ["FULL", "PlusPlus"]

FULL = 12.5
"""Guidance scale that corresponds to the paper's lambda of 1 (its table of comparable scales: 7.5 to 0.6)."""


class PlusPlus(Guider):
    """``x0 = x0_0 + lambda (x0_c - x0_0)``, ``eps = eps_0``, lambda in [0, 1]: no step leaves the data's manifold."""

    def combine(self, uncond: Prediction, cond: Prediction, scale: Scale, level: Level) -> Prediction:
        """Interpolate the clean image only."""
        share = scale / FULL
        share = min(share, 1.0) if isinstance(share, float) else share.clamp(max=1)
        return Prediction(uncond.towards(cond, share).x0, uncond.eps, cond.variance)
