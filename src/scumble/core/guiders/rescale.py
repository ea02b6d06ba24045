"""Guidance whose contrast is brought back to that of the prompt's own prediction (arXiv 2305.08891 section 3.4)."""

from __future__ import annotations

from scumble.core.guiders.base import Guider, Scale
from scumble.core.prediction import Prediction, rescaled
from scumble.core.schedule import Level

__all__ = ["Rescale"]


class Rescale(Guider):
    """Classifier-free guidance, then the standard deviation scaled back.

    Args:
        phi: How far; the paper uses 0.7.
    """

    def __init__(self, phi: float = 0.7) -> None:
        self.phi = phi

    def combine(self, uncond: Prediction, cond: Prediction, scale: Scale, level: Level) -> Prediction:
        """Guide, then rescale."""
        return rescaled(uncond.towards(cond, scale), cond, self.phi)
