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
    prediction: str = "epsilon",
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Squared error of what the network predicts, weighted by min-SNR (arXiv 2303.09556, eq. 5 and section 3.4).

    `x0`, `noise`: (B, C, H, W); `t`: (B,) whole levels; `abar`: the schedule's cumulative alphas; `prediction`:
    "epsilon" or "v_prediction" (v = a eps - s x0, arXiv 2202.00512). Both weights count the error of x0
    min(SNR, gamma)-fold. Gives the weighted loss, and `mse`: the mean squared error of epsilon.
    """
    level = abar[t].view(-1, 1, 1, 1)
    a, s = level.sqrt(), (1 - level).sqrt()
    x = (a * x0 + s * noise).contiguous(memory_format=torch.channels_last)
    snr = abar[t] / (1 - abar[t])
    output = predict(x, t).float()
    if prediction == "v_prediction":
        error = (output - (a * noise - s * x0)).square().mean((1, 2, 3))
        weight, of_epsilon = snr.clamp(max=snr_limit) / (snr + 1), error * abar[t]
    else:
        error = (output - noise).square().mean((1, 2, 3))
        weight, of_epsilon = snr.clamp(max=snr_limit) / snr, error
    return (error * weight).mean(), {"mse": of_epsilon.mean().detach()}
