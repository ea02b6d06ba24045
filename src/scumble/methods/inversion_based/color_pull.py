"""A colour drawn into a region through the noise of the steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from scumble.core.control import Control, RunState, Transition

__all__ = ["ColorPull"]


@dataclass
class ColorPull(Control):
    """``z := z + strength B (M - x0)``: the predicted picture is pulled towards M (arXiv 2304.06140, colour editing).

    It stands behind whatever gives the step's noise.

    Args:
        mask: B (1 or B, 1, h, w) in [0, 1].
        target: M (1, C, h, w) in the model's space.
        strength: s; 0.05 is published, about 3 overrules words that name another colour; negative: away from M.
        begin: First step of the run that is changed.
        end: First step that is not changed any more.
    """

    mask: Tensor
    target: Tensor
    strength: float
    begin: int
    end: int

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Shift the step's noise."""
        if move.noise is None or not self.begin <= ctx.i < self.end:
            return move
        return replace(move, noise=move.noise + self.strength * self.mask * (self.target - move.prediction.x0))
