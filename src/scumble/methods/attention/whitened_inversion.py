"""DDIM inversion whose noise is kept white: no correlation with itself, mean 0, variance 1 (arXiv 2302.03027)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.noise import NoiseSource
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level, Schedule
from scumble.inversion.extract import guided
from scumble.inversion.settings import InversionStart

__all__ = [
    "Regularizer",
    "correlation",
    "correlation_gradient",
    "divergence",
    "divergence_gradient",
    "published_walk",
    "whitened_path",
]

COARSEST = 8
"""Pyramid levels are halved down to this height."""

Draw = Callable[[int, int, int, int, list[int]], Tensor]
"""``draw(step, times, batch, channels, largest)`` gives shifts (times, batch, channels, levels), 1 to ``largest``."""


def pyramid(height: int, width: int) -> list[int]:
    """Return the shorter side of each level: halved until it is at most 8."""
    side, scales = min(height, width), []
    while True:
        scales.append(side)
        if side <= COARSEST:
            return scales
        side //= 2


def largest_shifts(height: int, width: int) -> list[int]:
    """Return the largest shift of each level; 0 where a level is too small for one."""
    return [max(side // 2 - 1, 0) for side in pyramid(height, width)]


def _rolled(n: Tensor, shift: Tensor, dim: int) -> Tensor:
    """Roll every channel of (B, C, h, w) by its own shift (B, C), circularly."""
    size = n.shape[dim]
    index = (torch.arange(size, device=n.device) - shift[..., None]) % size
    index = index.unsqueeze(-1 if dim == -2 else -2).expand_as(n)
    return n.gather(dim, index)


def correlation(e: Tensor, shifts: Tensor) -> Tensor:
    """Squared correlation of noise with itself, shifted, over channels and pyramid levels (B,); 2302.03027 eq. 3.

    Args:
        e: Noise (B, C, h, w).
        shifts: (B, C, levels), one for both axes.
    """
    total, n = torch.zeros(e.shape[0], dtype=e.dtype, device=e.device), e
    for level in range(shifts.shape[-1]):
        for dim in (-2, -1):
            total = total + (n * _rolled(n, shifts[..., level], dim)).mean((2, 3)).square().sum(1)
        n = F.avg_pool2d(n, 2)
    return total


def correlation_gradient(e: Tensor, shifts: Tensor) -> Tensor:
    """Its gradient in closed form: ``2 m (roll_k n + roll_-k n) / N``, brought back through the pooling."""
    gradient, n = torch.zeros_like(e), e
    for level in range(shifts.shape[-1]):
        k, scale = shifts[..., level], 2**level
        slope = torch.zeros_like(n)
        for dim in (-2, -1):
            ahead = _rolled(n, k, dim)
            m = (n * ahead).mean((2, 3), keepdim=True)
            slope += 2 * m * (ahead + _rolled(n, -k, dim)) / (n.shape[-2] * n.shape[-1])
        back = slope.repeat_interleave(scale, -2).repeat_interleave(scale, -1) / scale**2
        gradient[..., : back.shape[-2], : back.shape[-1]] += back
        n = F.avg_pool2d(n, 2)
    return gradient


def divergence(e: Tensor) -> Tensor:
    """Twice the divergence of each sample's values from a standard normal distribution (B,); variance unbiased."""
    flat = e.flatten(1)
    var, mean = torch.var_mean(flat, 1)
    return var + mean.square() - 1 - torch.log(var + 1e-7)


def divergence_gradient(e: Tensor) -> Tensor:
    """Its gradient in closed form."""
    axes, n = tuple(range(1, e.dim())), e[0].numel()
    var, mean = torch.var_mean(e, axes, keepdim=True)
    return (1 - 1 / (var + 1e-7)) * 2 * (e - mean) / (n - 1) + 2 * mean / n


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
        at = x if eps is None or start == "same" else _along(x, eps, ctx.levels[i + 1], ctx.levels[i])
        (prediction,) = guided(ctx, at[None], guidance, range(i, i + 1))
        eps = regulate(prediction.eps, i)
        x = _along(x, eps, ctx.levels[i + 1], ctx.levels[i])
        ascending.append(x)
    return torch.stack(ascending[::-1])


def published_walk(
    ctx: RunState, x0: Tensor, guidance: Guidance, regulate: Callable[[Tensor, int], Tensor], schedule: Schedule
) -> list[Tensor]:
    """The same as the published code walks: one level off at both ends, the first and last timestep left out.

    Returns:
        x after each step; the last one is what sampling then takes for the noisiest level.
    """
    stride = schedule.num_train_timesteps // ctx.steps
    x, path = x0.expand(ctx.shape), []
    for k, level in enumerate(ctx.levels[-3:0:-1]):
        (prediction,) = guided(ctx, x[None], guidance, range(ctx.steps - 2 - k, ctx.steps - 1 - k))
        eps = regulate(prediction.eps, k)
        x = _along(x, eps, schedule.at(level.t - 1), schedule.at(level.t + stride - 1))
        path.append(x)
    return path


def _along(x: Tensor, eps: Tensor, clean: Level, noisy: Level) -> Tensor:
    """The x at a noisier level from which a DDIM step along ``eps`` leads to ``x``."""
    return noisy.a * Prediction.from_eps(eps, x, clean).x0 + noisy.s * eps
