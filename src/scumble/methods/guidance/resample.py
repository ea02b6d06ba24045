"""A step taken several times: noised back and denoised again (arXiv 2201.09865; 2209.15264 section 3.3)."""

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
        published: Noise back with the next level's beta, as the code of 2209.15264 does, instead of the step's own.
    """

    step: int
    times: int = 10
    published: bool = False

    def traits(self, ctx: RunState) -> Traits:
        """It repeats a step, and stands behind whatever moves the mean."""
        return Traits(repeats_steps=self.times > 1, comes_last=True)

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Send the run back to the level it came from."""
        if ctx.i != self.step or ctx.repeat + 1 >= self.times:
            return move
        noise = ctx.normal("step") if move.noise is None else move.noise
        x = move.mean + move.std * noise
        here, there = ctx.level, ctx.next_level
        scale, variance = here.a / there.a, conditional_variance(here, there)
        if self.published:
            beyond = ctx.levels[ctx.i + 2]
            scale = there.a / beyond.a
            variance = 1 - scale**2
        x = scale * x + math.sqrt(variance) * ctx.normal("renoise")
        return replace(move, noise=noise, jump=Start(x, ctx.i))
