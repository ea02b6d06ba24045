"""Guidance in an interval of noise levels only, which also costs less (arXiv 2404.07724 eq. 5)."""

from __future__ import annotations

from scumble.core.guiders.base import Guider
from scumble.core.schedule import Level

__all__ = ["Interval"]


class Interval(Guider):
    """Classifier-free guidance where ``low < s/a <= high``, the prompt alone elsewhere.

    Args:
        low: Noise over signal from which on there is guidance; the paper's for a latent model.
        high: Noise over signal up to which there is.
    """

    def __init__(self, low: float = 0.28, high: float = 5.42) -> None:
        self.low, self.high = low, high

    def guides_at(self, level: Level) -> bool:
        """Whether the level lies in the interval."""
        return self.low * level.a < level.s <= self.high * level.a
