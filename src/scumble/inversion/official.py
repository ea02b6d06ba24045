"""The step of the published edit-friendly code, quirks included, for comparison only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from scumble.core.schedule import Level, Schedule
from scumble.core.solvers import Evaluation, ddim_std

__all__ = ["OfficialDdim"]


@dataclass(frozen=True)
class OfficialDdim:
    """DDIM as inversion_utils.py of the code of arXiv 2304.06140 takes its steps.

    It takes ``eta v`` off the direction where DDIM takes ``eta^2 v`` (the same at eta 1 only), and it finds the next
    level by ``t - T // N`` instead of in the list of levels (the same for leading spacing only).

    Args:
        eta: In (0, 1].
        schedule: Where the levels come from.
        steps: N, the number of steps of the whole run.
        final: The level behind the last timestep.
    """

    eta: float
    schedule: Schedule
    steps: int
    final: Level
    name: str = "ddim"
    memory: int = 0

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """``mean = a_j x0 + sqrt(s_j^2 - eta v) eps``, ``std = eta sqrt(v)``."""
        here = visits[-1]
        t = here.level.t - self.schedule.num_train_timesteps // self.steps
        target = self.schedule.at(t) if t >= 0 else self.final
        root = ddim_std(here.level, target, 1.0)
        direction = math.sqrt(max(target.s**2 - self.eta * root**2, 0.0))
        return target.a * here.prediction.x0 + direction * here.prediction.eps, self.eta * root
