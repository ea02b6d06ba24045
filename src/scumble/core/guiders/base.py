"""The protocol of guidance rules: two predictions in, one out, at some levels and not at others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from scumble.core.prediction import Prediction
from scumble.core.schedule import Level

if TYPE_CHECKING:
    from scumble.core.conditioning import Conditioning
    from scumble.core.control import Branch, RunState

__all__ = ["Guider", "NoiseRule"]

Scale = float | Tensor


class Guider:
    """Classifier-free guidance, and the base of the other rules (arXiv 2207.12598 eq. 6)."""

    def begin(self) -> None:
        """Forget an earlier run."""

    def guides_at(self, level: Level) -> bool:
        """Whether it guides at a level; elsewhere only the prompt's own row is evaluated."""
        return True

    def more_branches(self, cond: Conditioning) -> Sequence[Branch]:
        """Return the rows it needs besides those with and without the prompt."""
        return ()

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Return what it reads or writes inside the network."""
        return ()

    def combine(self, uncond: Prediction, cond: Prediction, scale: Scale, level: Level) -> Prediction:
        """Return the guided prediction.

        Args:
            uncond: Of the empty or negative prompt.
            cond: Of the prompt.
            scale: Guidance w; 1 is the prompt's own prediction.
            level: The level of ``x``.
        """
        return uncond.towards(cond, scale)

    def finish(self, guided: Prediction, rows: Mapping[str, Prediction]) -> Prediction:
        """Return the prediction with what :meth:`more_branches` adds to it."""
        return guided


class NoiseRule(Guider, ABC):
    """A rule that is stated for the predicted noise; the clean image follows from it.

    At a level without signal it acts on the clean image, from which the noise follows.
    """

    @abstractmethod
    def rule(self, uncond: Tensor, cond: Tensor, scale: Scale) -> Tensor:
        """Return the guided noise (B, C, H, W)."""

    def combine(self, uncond: Prediction, cond: Prediction, scale: Scale, level: Level) -> Prediction:
        """Apply the rule."""
        x = level.a * cond.x0 + level.s * cond.eps
        if level.a > 0:
            return Prediction.from_eps(self.rule(uncond.eps, cond.eps, scale), x, level, cond.variance)
        return Prediction(self.rule(uncond.x0, cond.x0, scale), x / level.s, cond.variance)
