"""Adaptive projected guidance: less of what only saturates, no runaway norms (arXiv 2410.02416 algorithm 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scumble.core.guiders.base import Guider, Scale
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level

__all__ = ["AdaptiveProjection"]

ELEMENTS = 4 * 64 * 64
"""Elements of the latents for which the paper states its norm."""


class AdaptiveProjection(Guider):
    """``x0 = x0_c + (w - 1) (orthogonal + eta parallel)`` of the difference, its norm at most r.

    Args:
        norm: r for a latent of 4 x 64 x 64; it grows with the root of the number of elements.
        momentum: beta, how much of the earlier differences is kept; negative pushes away from them.
        eta: Share of the part that is parallel to the conditional prediction.
    """

    def __init__(self, norm: float = 15.0, momentum: float = -0.5, eta: float = 0.0) -> None:
        self.norm, self.momentum, self.eta = norm, momentum, eta
        self.average: Tensor | None = None

    def begin(self) -> None:
        """Forget the differences of an earlier run."""
        self.average = None

    def combine(self, uncond: Prediction, cond: Prediction, scale: Scale, level: Level) -> Prediction:
        """Guide the clean image; the noise follows from it."""
        x0 = cond.x0 + (scale - 1) * self.update(uncond.x0, cond.x0)
        x = level.a * cond.x0 + level.s * cond.eps
        return Prediction(x0, (x - level.a * x0) / level.s, cond.variance)

    def update(self, uncond: Tensor, cond: Tensor) -> Tensor:
        """Return the normalized, projected difference (B, C, H, W)."""
        axes = tuple(range(1, cond.dim()))
        difference = cond - uncond
        if self.average is not None:
            difference = difference + self.momentum * self.average
        self.average = difference
        most = self.norm * math.sqrt(cond[0].numel() / ELEMENTS)
        length = torch.linalg.vector_norm(difference, dim=axes, keepdim=True)
        difference = difference * (most / length.clamp(min=1e-12)).clamp(max=1)
        direction = cond.double() / torch.linalg.vector_norm(cond.double(), dim=axes, keepdim=True).clamp(min=1e-12)
        parallel = ((difference.double() * direction).sum(axes, keepdim=True) * direction).to(difference.dtype)
        return difference - parallel + self.eta * parallel
