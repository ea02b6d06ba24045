"""One step from a level to a less noisy one. Pure functions of what the network said at the last visits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from scumble.core.prediction import Prediction
from scumble.core.schedule import Level, Schedule, conditional_variance
from scumble.core.unipc import UniPc

__all__ = [
    "SOLVERS",
    "Ddim",
    "Ddpm",
    "DpmSolverPP2M",
    "DpmSolverPP2MSde",
    "Evaluation",
    "Lcm",
    "Plms",
    "Solver",
    "Tcd",
    "ddim_std",
    "solver_named",
]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the loop: step index, level, the tensor that was evaluated, and the prediction."""

    index: int
    level: Level
    x: Tensor
    prediction: Prediction


class Solver(Protocol):
    """A rule for ``x_j = mean + std n`` from the visits so far (the last one is the current)."""

    @property
    def name(self) -> str:
        """Name of the rule."""
        ...

    @property
    def memory(self) -> int:
        """How many earlier visits the rule looks at."""
        ...

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """Return mean and standard deviation of ``x`` at ``target``."""
        ...


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
        decay = math.exp(_lambda(here.level) - _lambda(target))
        ratio = target.s / here.level.s * decay
        return ratio * here.x + target.a * (1 - decay**2) * data, target.s * math.sqrt(1 - decay**2)


def _extrapolated(visits: Sequence[Evaluation], target: Level, steps: int) -> Tensor:
    """The clean image at the middle of the step from the last two predictions; the last one at both ends."""
    here, x0 = visits[-1], visits[-1].prediction.x0
    last = here.index == steps - 1
    if len(visits) < 2 or (last and (target.s == 0 or steps < 15)):
        return x0
    before = visits[-2]
    r = (_lambda(here.level) - _lambda(before.level)) / (_lambda(target) - _lambda(here.level))
    return x0 + (x0 - before.prediction.x0) / (2 * r)


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


def _lambda(level: Level) -> float:
    """Half the log signal-to-noise ratio; minus infinity for pure noise."""
    return math.log(level.a) - math.log(level.s) if level.a > 0 else -math.inf


@dataclass(frozen=True)
class Plms:
    """Pseudo linear multistep (arXiv 2202.09778), as in diffusers' PNDM without Runge-Kutta steps.

    Its levels list the second one twice (see ``Schedule.levels``): the second visit repeats the first step with the
    mean of two predictions, so that a blend made there reaches the network only. Kept for parity with published code.
    """

    name: str = "plms"
    memory: int = 4

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """Deterministic: the standard deviation is 0."""
        here = visits[-1]
        e = [v.prediction.eps for v in visits if v.index != 1] or [here.prediction.eps]
        start = here
        if here.index == 1 and len(visits) > 1:
            start = visits[-2]
            eps = (here.prediction.eps + start.prediction.eps) / 2
        else:
            eps = _combined(e)
        return _moved(eps, start.x, start.level, target)


def _combined(e: Sequence[Tensor]) -> Tensor:
    """Adams-Bashforth of as many predictions as there are, up to four, newest last."""
    if len(e) == 1:
        return e[-1]
    if len(e) == 2:
        return (3 * e[-1] - e[-2]) / 2
    if len(e) == 3:
        return (23 * e[-1] - 16 * e[-2] + 5 * e[-3]) / 12
    return (55 * e[-1] - 59 * e[-2] + 37 * e[-3] - 9 * e[-4]) / 24


def _moved(eps: Tensor, x: Tensor, level: Level, target: Level) -> tuple[Tensor, float]:
    moved = Prediction.from_eps(eps, x, level)
    return target.a * moved.x0 + target.s * moved.eps, 0.0


@dataclass(frozen=True)
class SlicedPlms:
    """PLMS as diffusers' pipelines run it below strength 1: begun in the middle of its list of levels.

    Its scheduler repeats the first step at the second visit wherever it begins, but only the list's second level is
    there twice. So from the third visit on x is taken for one level cleaner than it is, and one evaluation more is made
    than steps were asked for. For comparison only.

    Args:
        levels: The whole list, as of :class:`Plms`.
        first: Index of the first visit, 1 or more.
    """

    levels: tuple[Level, ...]
    first: int
    name: str = "plms"
    memory: int = 4

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """Deterministic: the standard deviation is 0."""
        here, known = visits[-1], list(dict.fromkeys(self.levels))
        place = known.index(here.level)
        e = [v.prediction.eps for v in visits if v.index != self.first + 1]
        if here.index != self.first + 1:
            return _moved(_combined(e), here.x, here.level, known[place + 1])
        start = visits[-2]
        return _moved((here.prediction.eps + start.prediction.eps) / 2, start.x, known[place - 1], here.level)
