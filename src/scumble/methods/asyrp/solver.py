"""DDIM that adds noise near the end, where shifted pictures gain quality by it (arXiv 2210.10960 section 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from scumble.core.schedule import Level
from scumble.core.solver import Evaluation
from scumble.core.solvers import Ddim

__all__ = ["BoostedDdim"]


@dataclass(frozen=True)
class BoostedDdim:
    """DDIM whose eta is 1 below a timestep.

    Args:
        t_boost: Below it eta is 1; 0: nowhere.
        eta: Elsewhere.
    """

    t_boost: float
    eta: float = 0.0
    name: str = "ddim"
    memory: int = 0

    def step(self, visits: Sequence[Evaluation], target: Level) -> tuple[Tensor, float | Tensor]:
        """Mean and standard deviation, see :class:`scumble.core.solvers.Ddim`."""
        return Ddim(eta=1.0 if visits[-1].level.t < self.t_boost else self.eta).step(visits, target)
