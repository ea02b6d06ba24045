"""The source's cross-attention at a step: from its stored path, or walked in lock-step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState, Trajectory
from scumble.core.guidance import Guidance
from scumble.core.solver import Evaluation
from scumble.models.early_exit import early_exit, reading, reading_until_complete

__all__ = ["Maps", "Reference", "StoredReference", "WalkingReference"]

Maps = dict[str, Tensor]


@dataclass
class StoredReference:
    """The source's attention at a step, from its stored path: one row, and only as much of the network as is needed.

    Args:
        cond: What the source shows.
        trajectory: Its x at each level (1 or B, C, h, w).
    """

    cond: Conditioning
    trajectory: Trajectory

    def __call__(self, ctx: RunState, paths: Sequence[str]) -> list[Maps]:
        """Return the probabilities (B, heads, queries, K) of each layer, of the conditional row alone."""
        maps: Maps = {}
        with early_exit():
            taps = reading_until_complete(paths, maps, "probs")
            ctx.evaluate(self.trajectory(ctx, ctx.i), ctx.level, self.cond, taps)
        return [maps]


@dataclass
class WalkingReference:
    """The source sampled in lock-step, as the published reference pass does: only one step's attention is kept.

    Args:
        guidance: Its words; equal ones make it a single row.
        x: Where it begins (B, C, h, w).
    """

    guidance: Guidance
    x: Tensor
    xs: list[Tensor] = field(default_factory=list)

    def __call__(self, ctx: RunState, paths: Sequence[str]) -> list[Maps]:
        """Return the probabilities of the rows, and go one step further."""
        rows, attention, batch = self.guidance.planned, Maps(), self.x.shape[0]
        cond = Conditioning.cat([row.cond.expand(batch) for row in rows])
        joint = ctx.evaluate(torch.cat([self.x] * len(rows)), ctx.level, cond, reading(paths, attention, "probs"))
        prediction = self.guidance.combine(self.guidance.split(joint))
        self.x, _ = ctx.solver.step([Evaluation(ctx.i, ctx.level, self.x, prediction)], ctx.next_level)
        self.xs.append(self.x)
        return [{path: maps.split(batch)[k] for path, maps in attention.items()} for k in range(len(rows))]


Reference = Callable[[RunState, Sequence[str]], list[Maps]]
