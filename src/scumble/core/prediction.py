"""A network output as (x0, eps), whatever its parametrization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.schedule import Level

__all__ = ["Prediction", "coefficients", "noised", "rescaled"]


def coefficients(level: Level | Sequence[Level], like: Tensor) -> tuple[float | Tensor, float | Tensor]:
    """Return ``(a, s)`` as floats for one level, or as (B, 1, 1, 1) tensors for one level per row of ``like``."""
    if isinstance(level, Level):
        return level.a, level.s
    shape = (-1, *(1,) * (like.dim() - 1))
    a = torch.tensor([lv.a for lv in level], dtype=torch.float64).to(like.device, like.dtype).reshape(shape)
    s = torch.tensor([lv.s for lv in level], dtype=torch.float64).to(like.device, like.dtype).reshape(shape)
    return a, s


def noised(x0: Tensor, eps: Tensor, level: Level | Sequence[Level]) -> Tensor:
    """Return ``a x0 + s eps`` at one level, or at one level per row."""
    a, s = coefficients(level, x0)
    return a * x0 + s * eps


@dataclass(frozen=True)
class Prediction:
    """The two halves of a denoising step: ``x_j = a_j x0 + sqrt(s_j^2 - q^2) eps + q n``.

    In an ordinary prediction they obey ``x = a x0 + s eps``; asymmetric methods let them differ.

    Attributes:
        x0: Predicted clean tensor (B, C, H, W).
        eps: Predicted noise, the direction of the step (B, C, H, W).
        variance: Raw variance output of a ``learned_range`` network, in [-1, 1], or None.
    """

    x0: Tensor
    eps: Tensor
    variance: Tensor | None = None

    @classmethod
    def from_output(cls, kind: str, output: Tensor, x: Tensor, level: Level | Sequence[Level]) -> Prediction:
        """Convert a network's raw output once (arXiv 2202.00512 section 4; flow: arXiv 2210.02747).

        Args:
            kind: ``epsilon``, ``v_prediction``, ``sample`` or ``flow`` (output = eps - x0).
            output: Raw output, of x's shape, or with twice the channels when a variance was learned.
            x: The noisy tensor that was evaluated.
            level: Its level, or one level per row.
        """
        variance = None
        if output.shape[1] == 2 * x.shape[1]:
            output, variance = output.chunk(2, dim=1)
        a, s = coefficients(level, x)
        if kind == "epsilon":
            return cls(x0=(x - s * output) / a, eps=output, variance=variance)
        if kind == "v_prediction":
            return cls(x0=a * x - s * output, eps=a * output + s * x, variance=variance)
        if kind == "sample":
            return cls(x0=output, eps=(x - a * output) / s, variance=variance)
        if kind == "flow":
            return cls(x0=x - s * output, eps=x + a * output, variance=variance)
        raise ValueError(f"prediction type {kind!r} is unknown")

    @classmethod
    def from_eps(
        cls, eps: Tensor, x: Tensor, level: Level | Sequence[Level], variance: Tensor | None = None
    ) -> Prediction:
        """Complete a noise prediction at ``x``."""
        a, s = coefficients(level, x)
        return cls(x0=(x - s * eps) / a, eps=eps, variance=variance)

    def towards(self, other: Prediction, scale: float | Tensor) -> Prediction:
        """Return ``self + scale (other - self)``: classifier-free guidance (arXiv 2207.12598 eq. 6).

        Both halves are affine in the network's output, so this equals guidance on the raw output of any kind,
        also at a level without signal.
        """
        x0 = self.x0 + scale * (other.x0 - self.x0)
        return Prediction(x0=x0, eps=self.eps + scale * (other.eps - self.eps), variance=other.variance)

    def clipped(self, level: Level, limit: float) -> Prediction:
        """Clip x0 to [-limit, limit] and let eps agree with it again (as DDPM's posterior mean implies).

        What is inside the limits is returned as it is, also where eps was made to differ from x0's noise.
        """
        x0 = self.x0.clamp(-limit, limit)
        if level.s == 0:
            return Prediction(x0, self.eps, self.variance)
        return Prediction(x0=x0, eps=self.eps + (level.a / level.s) * (self.x0 - x0), variance=self.variance)

    def detach(self) -> Prediction:
        """Return the prediction without its graph."""
        variance = None if self.variance is None else self.variance.detach()
        return Prediction(self.x0.detach(), self.eps.detach(), variance)

    def rows(self, start: int, stop: int) -> Prediction:
        """Return the batch rows ``start:stop``."""
        variance = None if self.variance is None else self.variance[start:stop]
        return Prediction(self.x0[start:stop], self.eps[start:stop], variance)


def rescaled(guided: Prediction, cond: Prediction, phi: float) -> Prediction:
    """Bring the standard deviation of the guided noise back towards the conditional one's (arXiv 2305.08891 eq. 15)."""
    axes = tuple(range(1, guided.eps.dim()))
    eps_ratio = cond.eps.std(axes, keepdim=True) / guided.eps.std(axes, keepdim=True)
    x0_ratio = cond.x0.std(axes, keepdim=True) / guided.x0.std(axes, keepdim=True)
    x0 = torch.lerp(guided.x0, guided.x0 * x0_ratio, phi)
    return Prediction(x0, torch.lerp(guided.eps, guided.eps * eps_ratio, phi), guided.variance)
