"""DPM-Solver++ of second order: as an ODE, and with noise (arXiv 2211.01095)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from scumble.core.schedule import Level
from scumble.core.solver import Evaluation, half_log_snr

__all__ = ["DpmSolverPP2M", "DpmSolverPP2MSde"]


@dataclass(frozen=True)
class DpmSolverPP2M:
    """DPM-Solver++(2M), data prediction, midpoint (arXiv 2211.01095 algorithm 2); first order at both ends.

    The last step falls back to first order when it ends at the clean level, or in runs of fewer than 15 steps,
    as diffusers' ``lower_order_final`` does.

    Args:
        steps: Number of steps of the whole run.
    """

    steps: int
    name: str = "dpmpp_2m"
    memory: int = 1

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """Deterministic: the standard deviation is 0."""
        here, data = visits[-1], _extrapolated(visits, target, self.steps)
        if target.s == 0:
            return target.a * data, 0.0
        ratio = target.s / here.level.s
        return ratio * here.x + (target.a - here.level.a * ratio) * data, 0.0


@dataclass(frozen=True)
class DpmSolverPP2MSde:
    """SDE-DPM-Solver++(2M), data prediction, midpoint (arXiv 2211.01095 section 5; noise as in eq. 18 there).

    Args:
        steps: Number of steps of the whole run.
    """

    steps: int
    name: str = "dpmpp_2m_sde"
    memory: int = 1

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """``mean = s_j/s_i e^-h x + a_j (1 - e^-2h) D``, ``std = s_j sqrt(1 - e^-2h)``."""
        here, data = visits[-1], _extrapolated(visits, target, self.steps)
        if target.s == 0:
            return target.a * data, 0.0
        decay = math.exp(half_log_snr(here.level) - half_log_snr(target))
        ratio = target.s / here.level.s * decay
        return ratio * here.x + target.a * (1 - decay**2) * data, target.s * math.sqrt(1 - decay**2)


def _extrapolated(visits: Sequence[Evaluation], target: Level, steps: int) -> Tensor:
    """The clean image at the middle of the step from the last two predictions; the last one at both ends."""
    here, x0 = visits[-1], visits[-1].prediction.x0
    last = here.index == steps - 1
    if len(visits) < 2 or (last and (target.s == 0 or steps < 15)):
        return x0
    before = visits[-2]
    r = (half_log_snr(here.level) - half_log_snr(before.level)) / (half_log_snr(target) - half_log_snr(here.level))
    return x0 + (x0 - before.prediction.x0) / (2 * r)
