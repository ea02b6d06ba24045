"""Take a step several times: noise it back and denoise it again (arXiv 2201.09865; 2209.15264 section 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scumble.core.control import Control, RunState, Start, Transition
from scumble.core.schedule import conditional_variance
from scumble.core.traits import Traits

__all__ = ["Resample"]


@dataclass
class Resample(Control):
    """Take one step ``times`` times; put it behind whatever moves the mean.

    Args:
        step: Which step.
        times: How often; 1: as usual.
    """

    step: int
    times: int = 10

    def traits(self, ctx: RunState) -> Traits:
        """It repeats a step, and stands behind whatever moves the mean."""
        return Traits(repeats_steps=self.times > 1, comes_last=True)

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Send the run back to the level it came from."""
        if ctx.i != self.step or ctx.repeat + 1 >= self.times:
            return move
        noise = ctx.normal("step") if move.noise is None else move.noise
        x = move.mean + move.std * noise
        scale, variance = self.renoising(ctx)
        x = scale * x + math.sqrt(variance) * ctx.normal("renoise")
        return replace(move, noise=noise, jump=Start(x, ctx.i))

    def renoising(self, ctx: RunState) -> tuple[float, float]:
        """Factor of ``x`` and variance of the noise that lead from the next level back to this one."""
        return ctx.level.a / ctx.next_level.a, conditional_variance(ctx.level, ctx.next_level)
