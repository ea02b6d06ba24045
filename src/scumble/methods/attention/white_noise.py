"""Distance of noise from white noise, and its gradients (arXiv 2302.03027 section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["correlation", "correlation_gradient", "divergence", "divergence_gradient", "largest_shifts"]

COARSEST = 8
"""Pyramid levels are halved down to this height."""


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
