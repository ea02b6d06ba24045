"""A strength for every pixel: where and from which step on the picture may change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.control import Constraint, RunState, Start, Trajectory
from scumble.core.rounding import SLACK
from scumble.core.traits import Traits

__all__ = ["FEW_STEPS", "ChangeMap", "NoisedSource", "release_fraction", "release_index", "start_index"]

FEW_STEPS = 16
"""Below this many steps places are freed inside a step too: from here on the strengths lie close enough."""


def start_index(strength: float, steps: int) -> int:
    """First step of a run that may change ``strength`` of everything: ``floor((1 - strength) N)``.

    A strength above 0 takes at least one step; strength 1 takes all N; strength 0 takes none.
    """
    return min(math.floor((1.0 - strength) * steps + SLACK), steps)


def release_index(change: Tensor, steps: int, first: float = 0) -> Tensor:
    """For each pixel the step from which on it is free: ``floor(first + (1 - change)(N - first))``.

    A pixel of value c thus is treated as SDEdit with strength c treats the whole picture (arXiv 2306.00950, algorithm
    1, where pixels with ``m >= (k - t)/k`` are still held); a pixel of value 0 is never freed.

    Args:
        change: (B, 1, h, w) in [0, 1], 1 = change.
        steps: N, the number of steps of the whole run.
        first: The step at which a global strength lets the run begin; a fraction where steps are divided.

    Returns:
        int64 (B, 1, h, w), from ``floor(first)`` to N.
    """
    keep, whole = 1.0 - change.to(torch.float64), math.floor(first + SLACK)
    return (whole + torch.floor(first - whole + keep * (steps - first) + SLACK)).to(torch.int64).clamp(whole, steps)


def release_fraction(change: Tensor, steps: int, first: float = 0) -> Tensor:
    """For each pixel how far into the step of :func:`release_index` it still waits, float64 in [0, 1)."""
    keep = 1.0 - change.to(torch.float64)
    waits = first + keep * (steps - first) - release_index(change, steps, first)
    return torch.where(waits < SLACK, 0.0, waits)


@dataclass
class NoisedSource:
    """The source noised by ONE draw per sample to whatever level is asked for; nothing is stored per level.

    Args:
        x0: Clean source (1 or B, C, h, w).
        eps: The draw (B, C, h, w), or None for the run's own ``start`` stream.
        fresh: Draw anew at every step, as DeepFloyd IF's published pipeline does.
    """

    x0: Tensor
    eps: Tensor | None = None
    fresh: bool = False

    def __call__(self, ctx: RunState, index: int) -> Tensor:
        """Return the source at the level of step ``index``; at the last level the clean source."""
        if index == ctx.steps:
            return self.x0.expand(ctx.shape)
        if self.fresh:
            return ctx.noised(self.x0, ctx.normal("source", index), index)
        if self.eps is None:
            self.eps = ctx.normal("start", 0)
        return ctx.noised(self.x0, self.eps, index)


@dataclass
class ChangeMap(Constraint):
    """Hold every pixel on the source's trajectory until its step of release (arXiv 2306.00950 algorithm 1).

    All pixels not yet released are put back at every step ("future hinting"): the network always sees a picture
    without holes. Pixels that are never released end as the clean source, exactly.

    Args:
        release: int64 (B, 1, h, w) of :func:`release_index`.
        source: The kept trajectory.
        nested: Put all unreleased pixels back at each step; False, the paper's ablation, puts each back only once.
        skip: Begin at the first release instead of at ``first``: bitwise the same result, since everything before
            is overwritten.
        first: The step at which the run may begin.
        exact_end: Put never-released pixels back at the clean level too.
        fraction: (B, 1, h, w) of :func:`release_fraction`: how far into the step of its release a pixel still waits.
            After that step it lies as far between the run and the kept trajectory, so that a few steps know as many
            strengths as many steps do; no further evaluation is needed. None: pixels are freed at whole steps.
    """

    release: Tensor
    source: Trajectory
    nested: bool = True
    skip: bool = True
    first: int = 0
    exact_end: bool = True
    fraction: Tensor | None = None

    def traits(self, ctx: RunState) -> Traits:
        """It keeps a part of the image."""
        return Traits(keeps="a change map")

    def discards(self, ctx: RunState) -> Tensor | None:
        """What is put back before the next evaluation, and before the first that remembers this one."""
        return self.release > ctx.i + ctx.solver.memory if self.nested and self.exact_end else None

    def start(self, ctx: RunState) -> Start | None:
        """Begin at the first release, one step of a multistep solver's history earlier."""
        begin = max(int(self.release.min()) - ctx.solver.memory, self.first) if self.skip else self.first
        begin = min(begin, ctx.steps)
        return Start(self.source(ctx, begin), begin)

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Put back what is not released at this step."""
        closed = self.release >= ctx.i if self.nested else self.release == ctx.i
        return torch.where(closed, self.source(ctx, ctx.i), x) if bool(closed.any()) else x

    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        """Hold back what is released inside this step; at the last level put back what was never released."""
        if self.fraction is not None:
            waits = torch.where(self.release == ctx.i, self.fraction, 0.0).to(x.dtype)
            if bool(waits.any()):
                x = torch.lerp(x, self.source(ctx, ctx.i + 1).to(x), waits.expand_as(x))
        if ctx.i + 1 < ctx.steps or not self.exact_end:
            return x
        return torch.where(self.release >= ctx.steps, self.source(ctx, ctx.steps), x)
