"""Blending: outside a mask, the picture is put back at the noise level of the tensor it is blended into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.control import Constraint, RunState, Start, Trajectory
from scumble.core.traits import Traits

__all__ = ["BackgroundBlend", "LateBlend", "SharedSource"]

Masks = Callable[[int], Tensor]
"""``masks(i)`` is the mask of step i (1 or B, 1, h, w), true where the picture may change."""


@dataclass
class BackgroundBlend(Constraint):
    """Put the source back outside the mask before every step, at the step's own level, and clean at the end.

    Algorithm 1 of arXiv 2206.02779 and algorithm 2 of arXiv 2111.14818 with foreground and background at one level.
    With a mask that does not change this is :class:`ChangeMap` with a map of zeros and ones; here the mask may
    shrink in the course of the run.

    Args:
        masks: The mask of each step.
        final: The mask at the clean level (1 or B, 1, h, w).
        source: The source at the level of a step.
        first: Step at which the run begins.
        from_noise: Begin from pure noise inside the mask instead of from the noised source.
    """

    masks: Masks
    final: Tensor
    source: Trajectory
    first: int = 0
    from_noise: bool = False

    def traits(self, ctx: RunState) -> Traits:
        """It keeps a part of the image."""
        return Traits(keeps="a blend of the background")

    def start(self, ctx: RunState) -> Start | None:
        """Begin with the source noised to the first level, or with noise alone."""
        if self.from_noise:
            return Start(ctx.normal("start", 0), self.first)
        return Start(self.source(ctx, self.first), self.first)

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Blend at the level of this step."""
        return torch.where(self.masks(ctx.i), x, self.source(ctx, ctx.i))

    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        """At the last level put back the clean source."""
        if ctx.i + 1 < ctx.steps:
            return x
        return torch.where(self.final, x, self.source(ctx, ctx.steps))


@dataclass
class LateBlend(BackgroundBlend):
    """The published code's blend: after the step, with the source still at the level the step came FROM.

    The background thus is one level noisier than the foreground (main.py of Blended Diffusion, the SD2 script of
    Blended Latent Diffusion). For comparison only.

    Args:
        exact_end: Put back the clean source at the last level; False leaves the noise of the last blend in it.
    """

    exact_end: bool = True

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Leave the tensor alone: it was blended after the step before."""
        return x

    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        """Blend with the source at the level before the step."""
        last = ctx.i + 1 == ctx.steps
        if last and self.exact_end:
            return super().settle(ctx, x)
        return torch.where(self.masks(ctx.i), x, self.source(ctx, ctx.i))


@dataclass
class SharedSource:
    """The source noised anew at every step by ONE draw for the whole batch, as Blended Diffusion's code does.

    A candidate then depends on which candidates it is made with. For comparison only.

    Args:
        x0: Clean source (1, C, h, w).
    """

    x0: Tensor
    started: bool = False

    def __call__(self, ctx: RunState, index: int) -> Tensor:
        """Return the source at the level of step ``index``; the first time with each sample's own start noise."""
        if index == ctx.steps:
            return self.x0.expand(ctx.shape)
        if not self.started:
            self.started = True
            return ctx.noised(self.x0, ctx.normal("start", 0), index)
        shape = (1, *ctx.shape[1:])
        eps = ctx.noise.select(0, 1).normal(shape, ctx.tag + "source", index).to(ctx.device)
        return ctx.noised(self.x0, eps, index).expand(ctx.shape)
