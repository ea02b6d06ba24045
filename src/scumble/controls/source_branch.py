"""A source sampled beside the run, from the same start with the same noise: for pictures made from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from scumble.core.control import Branch, Control, RunState, Transition
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.core.solver import Evaluation

__all__ = ["SourceBranch"]


@dataclass
class SourceBranch(Control):
    """Sample a source beside the run, from the run's own start and with the run's own noise.

    What it becomes is what plain sampling under the same words makes of the same seed.

    Args:
        guidance: The source's words and how strongly they pull.
        until: The source is carried on before this step only; None: to the end.
    """

    guidance: Guidance
    until: int | None = None
    x: Tensor | None = None
    visits: list[Evaluation] = field(default_factory=list)

    def __call__(self, ctx: RunState, index: int) -> Tensor:
        """Return the source at the level of step ``index``: the one it has come to; ValueError before the first."""
        if self.x is None:
            raise ValueError("the source begins with the run's first step")
        return self.x

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Begin where the run begins."""
        if self.x is None:
            self.x = x
        return x

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for the source's conditional row and, with guidance, for its unconditional one."""
        if self.until is not None and ctx.i >= self.until:
            return rows
        free = [Branch("source_uncond", self.guidance.uncond, self.x)] if "uncond" in self.guidance.names else []
        return [*rows, *free, Branch("source", self.guidance.cond, self.x)]

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Combine the source's rows; the run's own prediction is left alone."""
        if "source" in rows:
            names = {"cond": "source", "uncond": "source_uncond"}
            combined = self.guidance.combine({name: rows[names[name]] for name in self.guidance.names})
            if ctx.network.clip_sample is not None:
                combined = combined.clipped(ctx.level, ctx.network.clip_sample)
            self.visits.append(Evaluation(ctx.i, ctx.level, self(ctx, ctx.i), combined))
        return prediction

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Take the source one step further, with the run's noise."""
        if not self.visits or self.visits[-1].index != ctx.i:
            return move
        mean, std = ctx.solver.step(self.visits, ctx.next_level)
        del self.visits[: -(ctx.solver.memory + 1)]
        if isinstance(std, Tensor) or std > 0:
            noise = ctx.normal("step") if move.noise is None else move.noise
            self.x, move = mean + std * noise, replace(move, noise=noise)
        else:
            self.x = mean
        return move
