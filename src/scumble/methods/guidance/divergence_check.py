"""Gives a run up when its prediction leaves the range of pictures (arXiv 2209.15264, restart of the published code)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from scumble.core.control import Control, RunState
from scumble.core.prediction import Prediction

__all__ = ["Diverged", "DivergenceCheck"]


class Diverged(Exception):
    """A prediction lay too far beyond black and white; the run is to begin anew with other noise."""


@dataclass
class DivergenceCheck(Control):
    """Look at the unclipped prediction of every step behind the first; put it in front of what clips or guides.

    Args:
        first: The step at which the run begins; it is not watched.
        bound: Mean squared excess beyond [-1, 1] that is tolerated.
        row: Whose prediction.
        decode: From a prediction to a picture.
        worst: The largest excess so far.
    """

    first: int
    bound: float
    row: str = "cond"
    worst: float = 0.0
    decode: Callable[[Tensor], Tensor] = lambda x0: x0

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Give up where the excess is beyond the bound.

        Raises:
            OutOfRange: Then.
        """
        if ctx.i > self.first:
            x0 = self.decode(rows[self.row].x0.detach())
            self.worst = max(self.worst, float((x0 - x0.clamp(-1, 1)).square().mean()))
            if self.worst > self.bound:
                raise Diverged
        return prediction
