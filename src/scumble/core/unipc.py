"""UniPC: a predictor whose result is corrected by what the network says there (arXiv 2302.04867)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from scumble.core.schedule import Level
from scumble.core.solver import Evaluation, half_log_snr

__all__ = ["UniPc"]


@dataclass(frozen=True)
class UniPc:
    """UniPC of order 2, data prediction, B(h) = e^h - 1 (arXiv 2302.04867 algorithms 5 and 6; bh2 in diffusers).

    The corrector is written as what it adds to the x that was evaluated, so a blend that was made there stays in it.

    Args:
        steps: Number of steps of the whole run; the last one is of first order.
    """

    steps: int
    name: str = "unipc"
    memory: int = 2

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """Correct x at this level, and predict from there; deterministic: the standard deviation is 0."""
        here = visits[-1]
        data = here.prediction.x0
        if target.s == 0:
            return target.a * data, 0.0
        x = here.x if len(visits) == 1 else here.x + self._correction(visits)
        h = half_log_snr(target) - half_log_snr(here.level)
        phi = math.expm1(-h)
        mean = target.s / here.level.s * x - target.a * phi * data
        if self._order(here.index, len(visits)) == 2:
            mean = mean - target.a * phi * _slope(visits[-2], here, h) / 2
        return mean, 0.0

    def _order(self, index: int, visits: int) -> int:
        return min(2, self.steps - index, visits)

    def _correction(self, visits: Sequence[Evaluation]) -> Tensor:
        """What the network's answer here changes in the step that led here (eq. 9 there, minus the predictor's)."""
        before, here = visits[-2:]
        h = half_log_snr(here.level) - half_log_snr(before.level)
        phi, scale = math.expm1(-h), here.level.a * math.expm1(-h)
        change = here.prediction.x0 - before.prediction.x0
        if self._order(before.index, len(visits) - 1) < 2:
            return -scale * change / 2
        first = phi / -h - 1
        b = first / phi, 2 * (first / -h - 0.5) / phi
        r = (half_log_snr(visits[-3].level) - half_log_snr(before.level)) / h
        earlier = (b[0] - b[1]) / (1 - r)
        slope = _slope(visits[-3], before, h)
        return scale * (slope / 2 - earlier * slope - (b[0] - earlier) * change)


def _slope(earlier: Evaluation, later: Evaluation, h: float) -> Tensor:
    """The change of the clean image between two visits, by how far apart they are in steps of h."""
    r = (half_log_snr(earlier.level) - half_log_snr(later.level)) / h
    return (earlier.prediction.x0 - later.prediction.x0) / r
