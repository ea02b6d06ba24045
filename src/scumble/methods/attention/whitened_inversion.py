"""DDIM inversion whose noise is kept white: no correlation with itself, mean 0, variance 1 (arXiv 2302.03027)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.noise import NoiseSource
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.inversion.extract import guided
from scumble.inversion.settings import InversionStart
from scumble.methods.attention.white_noise import (
    correlation_gradient,
    divergence_gradient,
    largest_shifts,
)

__all__ = ["Regularizer", "along", "whitened_path"]


Draw = Callable[[int, int, int, int, list[int]], Tensor]
"""``draw(step, times, batch, channels, largest)`` gives shifts (times, batch, channels, levels), 1 to ``largest``."""


@dataclass(frozen=True)
class Regularizer:
    """Moves predicted noise towards white noise; the network takes no part.

    Attributes:
        draw: Gives the shifts.
        correlation: Weight of the correlation.
        divergence: Weight of the divergence.
        rounds: How often both are done at each step.
        shifts: Correlation moves of a round, each with new shifts.
    """

    draw: Draw
    correlation: float = 20.0
    divergence: float = 20.0
    rounds: int = 5
    shifts: int = 5

    def __call__(self, e: Tensor, step: int) -> Tensor:
        """Return the noise (B, C, h, w) of a step, whitened."""
        largest = largest_shifts(*e.shape[-2:])
        if self.correlation and largest[0]:
            drawn = self.draw(step, self.rounds * self.shifts, e.shape[0], e.shape[1], largest).to(e.device)
        for r in range(self.rounds):
            if self.correlation and largest[0]:
                for k in range(self.shifts):
                    move = correlation_gradient(e, drawn[r * self.shifts + k])
                    e = e - self.correlation / self.shifts * move
            if self.divergence:
                e = e - self.divergence * divergence_gradient(e)
        return e


def drawn_from(noise: NoiseSource) -> Draw:
    """Shifts as a function of the seed: uniform from 1 to the largest of each level."""

    def draw(step: int, times: int, batch: int, channels: int, largest: list[int]) -> Tensor:
        numbers = torch.special.ndtr(noise.normal((batch, times, channels, len(largest)), "shifts", step).double())
        limits = torch.tensor(largest, dtype=torch.float64)
        return (1 + (numbers * limits).floor()).clamp(max=limits).long().transpose(0, 1)

    return draw


def whitened_path(
    ctx: RunState,
    x0: Tensor,
    guidance: Guidance,
    regulate: Callable[[Tensor, int], Tensor],
    first: int = 0,
    start: InversionStart = "same",
) -> Tensor:
    """Walk from ``x0`` (1 or B, C, h, w) up to level ``first`` with whitened noise.

    Args:
        ctx: The run.
        x0: The clean image in the model's space.
        guidance: What it shows.
        regulate: Whitens the predicted noise of a step.
        first: The level at which to stop.
        start: Where the prediction of a level is taken: at the x before it, or where the last noise leads (warm).

    Returns:
        (N - first + 1, B, C, h, w), noisiest first, ``x0`` last: each level that sampling visits.
    """
    x, eps = x0.expand(ctx.shape), None
    ascending = [x]
    for i in range(ctx.steps - 1, first - 1, -1):
        at = x if eps is None or start == "same" else along(x, eps, ctx.levels[i + 1], ctx.levels[i])
        (prediction,) = guided(ctx, at[None], guidance, range(i, i + 1))
        eps = regulate(prediction.eps, i)
        x = along(x, eps, ctx.levels[i + 1], ctx.levels[i])
        ascending.append(x)
    return torch.stack(ascending[::-1])


def along(x: Tensor, eps: Tensor, clean: Level, noisy: Level) -> Tensor:
    """The x at a noisier level from which a DDIM step along ``eps`` leads to ``x``."""
    return noisy.a * Prediction.from_eps(eps, x, clean).x0 + noisy.s * eps
