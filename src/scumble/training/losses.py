"""The loss of denoising models."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["denoising_loss"]


def denoising_loss(
    predict: Callable[[Tensor, Tensor], Tensor],
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    abar: Tensor,
    snr_limit: float,
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Squared error of the predicted noise, weighted with min(SNR, gamma) / SNR (arXiv 2303.09556, eq. 5).

    `x0`, `noise`: (B, C, H, W); `t`: (B,) whole levels; `abar`: the schedule's cumulative alphas. Gives the
    weighted loss, and `mse`, the plain mean.
    """
    a = abar[t].view(-1, 1, 1, 1)
    x = (a.sqrt() * x0 + (1 - a).sqrt() * noise).contiguous(memory_format=torch.channels_last)
    error = (predict(x, t).float() - noise).square().mean((1, 2, 3))
    snr = abar[t] / (1 - abar[t])
    return (error * snr.clamp(max=snr_limit) / snr).mean(), {"mse": error.mean().detach()}
