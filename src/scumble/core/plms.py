"""PLMS: linear multistep on the predicted noise (arXiv 2202.09778), as in old software."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.core.solver import Evaluation

__all__ = ["Plms", "SlicedPlms"]


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
