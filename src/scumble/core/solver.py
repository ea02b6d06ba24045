"""The protocol of solvers: from the evaluations so far to x at the next level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from scumble.core.prediction import Prediction
from scumble.core.schedule import Level

__all__ = ["Evaluation", "Solver", "half_log_snr"]


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


def half_log_snr(level: Level) -> float:
    """Half the log signal-to-noise ratio; minus infinity for pure noise."""
    return math.log(level.a) - math.log(level.s) if level.a > 0 else -math.inf
