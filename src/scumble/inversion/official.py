"""Steps and storage of an inversion by its ``compat`` preset: our rules, and those of the published code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from scumble.core.dpm_solvers import DpmSolverPP2MSde
from scumble.core.schedule import Level, Schedule
from scumble.core.solver import Evaluation, Solver
from scumble.core.solvers import Ddim, ddim_std

if TYPE_CHECKING:
    from scumble.inversion.extract import Path

__all__ = ["InversionRules", "OfficialDdim", "inversion_rules", "step_rule"]


class InversionRules:
    """Our rules: DDIM steps with noise, replayed exactly."""

    skip: float | None = None
    """Share of the steps that is not run by default, whatever the model; None: it depends on the model."""

    def solver(self, eta: float, schedule: Schedule, levels: Sequence[Level]) -> Solver:
        """The step rule for which the noise is computed: no other one may replay it."""
        return Ddim(eta=eta)

    def stored(self, path: Path) -> tuple[Tensor, Tensor | None]:
        """Noise and residuals as they are kept; a path without steps has no residuals."""
        return path.zs, path.residuals if len(path.residuals) else None


class OfficialRules(InversionRules):
    """The published code of arXiv 2304.06140: the last z is zeroed and nothing makes up for it, so that a replay
    misses the image by ``sigma_1 z_1``."""

    skip = 0.36

    def solver(self, eta: float, schedule: Schedule, levels: Sequence[Level]) -> Solver:
        """The published step rule."""
        return OfficialDdim(eta, schedule, len(levels) - 1, levels[-1])

    def stored(self, path: Path) -> tuple[Tensor, Tensor | None]:
        """The last z zeroed, no residuals."""
        zs = path.zs.clone()
        zs[-1:] = 0
        return zs, None


def inversion_rules(compat: Literal["official"] | None) -> InversionRules:
    """Return the rules of a preset."""
    return {None: InversionRules, "official": OfficialRules}[compat]()


def step_rule(
    rule: str, compat: Literal["official"] | None, eta: float, schedule: Schedule, levels: Sequence[Level]
) -> Solver:
    """Return the rule of the steps of an inversion: of second order, or that of a preset."""
    if rule == "dpmpp_2m_sde":
        return DpmSolverPP2MSde(len(levels) - 1)
    return inversion_rules(compat).solver(eta, schedule, levels)


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
