"""One step from a level to a less noisy one: DDIM, DDPM, and every rule by its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.dpm_solvers import DpmSolverPP2M, DpmSolverPP2MSde
from scumble.core.few_step_solvers import Lcm, Tcd
from scumble.core.plms import Plms
from scumble.core.schedule import Level, Schedule, conditional_variance
from scumble.core.solver import Evaluation, Solver
from scumble.core.unipc import UniPc

__all__ = ["SOLVERS", "Ddim", "Ddpm", "Evaluation", "Solver", "ddim_std", "solver_named"]


def ddim_std(noisy: Level, clean: Level, eta: float) -> float:
    """Standard deviation of the step's noise: ``q^2 = eta^2 s_j^2 var_{i|j} / s_i^2`` (arXiv 2010.02502 eq. 16)."""
    if noisy.s == 0:
        return 0.0
    return eta * math.sqrt(clean.s**2 * conditional_variance(noisy, clean)) / noisy.s


@dataclass(frozen=True)
class Ddim:
    """DDIM for eta 0, ancestral DDPM for eta 1 (arXiv 2010.02502 eq. 12); the same line serves flow models."""

    eta: float = 0.0
    name: str = "ddim"
    memory: int = 0

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """``mean = a_j x0 + sqrt(s_j^2 - q^2) eps``, ``std = q``."""
        here = visits[-1]
        q = ddim_std(here.level, target, self.eta)
        direction = math.sqrt(max(target.s**2 - q**2, 0.0))
        return target.a * here.prediction.x0 + direction * here.prediction.eps, q


@dataclass(frozen=True)
class Ddpm:
    """Ancestral DDPM with the variance the checkpoint was trained for (arXiv 2006.11239 eq. 7, 2102.09672 eq. 15).

    ``fixed_small`` equals :class:`Ddim` with eta 1; ``fixed_large`` and ``learned_range`` only change the noise.
    """

    variance_type: str = "fixed_small"
    name: str = "ddpm"
    memory: int = 0

    def __post_init__(self) -> None:
        if self.variance_type.removesuffix("_log") not in ("fixed_small", "fixed_large", "learned_range"):
            raise ValueError(
                f"variance_type {self.variance_type!r} is unknown; expected fixed_small, fixed_large or learned_range"
            )

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """The posterior mean, and the standard deviation of the chosen variance type."""
        here = visits[-1]
        mean, small = Ddim(eta=1.0).step(visits, target)
        if self.variance_type.startswith("fixed_small"):
            return mean, small
        ratio = (here.level.a / target.a) ** 2
        large = math.sqrt(max(1.0 - ratio, 0.0))
        if self.variance_type.startswith("fixed_large"):
            return mean, large if target.s > 0 else 0.0
        if here.prediction.variance is None:
            raise ValueError("variance_type learned_range needs a network with a variance output")
        assert isinstance(small, float)
        if target.s == 0 or large == 0:
            return mean, 0.0
        fraction = (here.prediction.variance + 1) / 2
        log_std = fraction * math.log(large) + (1 - fraction) * math.log(max(small, 1e-10))
        return mean, torch.exp(log_std)


SOLVERS = ("ddim", "euler", "euler-a", "ddpm", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "lcm", "tcd", "plms")
"""Names of the rules for users; ``euler`` and ``euler-a`` are DDIM with eta 0 and 1 at their own levels."""


def solver_named(name: str, schedule: Schedule, steps: int, eta: float = 0.0) -> Solver:
    """Return a rule by its name.

    Args:
        name: One of ``SOLVERS``.
        schedule: The checkpoint's.
        steps: Number of steps of the whole run.
        eta: Of ``ddim``.
    """
    if name == "ddpm":
        return Ddpm(str(schedule.config.get("variance_type") or "fixed_small"))
    by_name: dict[str, Solver] = {
        "ddim": Ddim(eta),
        "euler": Ddim(),
        "euler-a": Ddim(eta=1.0),
        "dpmpp_2m": DpmSolverPP2M(steps),
        "dpmpp_2m_sde": DpmSolverPP2MSde(steps),
        "unipc": UniPc(steps),
        "lcm": Lcm(),
        "tcd": Tcd(schedule),
        "plms": Plms(),
    }
    return by_name[name]
