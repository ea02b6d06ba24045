"""Steps of models that were distilled to few: LCM and TCD."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from scumble.core.schedule import Level, Schedule
from scumble.core.solver import Evaluation

__all__ = ["Lcm", "Tcd"]


@dataclass(frozen=True)
class Lcm:
    """Latent consistency: the clean image, noised anew (arXiv 2310.04378 algorithm 3).

    The boundary coefficients c_skip and c_out are taken as 0 and 1, from which they differ by 1e-5 at most.
    """

    name: str = "lcm"
    memory: int = 0

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """``mean = a_j x0``, ``std = s_j``."""
        return target.a * visits[-1].prediction.x0, target.s


@dataclass(frozen=True)
class Tcd:
    """Trajectory consistency: DDIM past the target, and back to it with noise (arXiv 2402.19159 algorithm 4).

    Args:
        schedule: Gives the level of the timestep that lies past the target.
        gamma: Share of the way to timestep 0; 0 is DDIM, 1 nearly LCM.
    """

    schedule: Schedule
    gamma: float = 0.3
    name: str = "tcd"
    memory: int = 0

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """``mean = a_j/a_s (a_s x0 + s_s eps)``, ``std = sqrt(1 - (a_j/a_s)^2)`` for ``s = floor((1 - gamma) t_j)``."""
        prediction = visits[-1].prediction
        past = target if target.t == 0 else self.schedule.at(math.floor((1 - self.gamma) * target.t))
        ratio = target.a / past.a
        mean = ratio * (past.a * prediction.x0 + past.s * prediction.eps)
        return mean, math.sqrt(max(1 - ratio**2, 0.0))
