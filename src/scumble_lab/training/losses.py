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
    focus: Tensor | None = None,
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Squared error of what the network predicts, weighted by min-SNR (arXiv 2303.09556, eq. 5 and section 3.4).

    `x0`, `noise`: (B, C, H, W); `t`: (B,) whole levels; `abar`: the schedule's cumulative alphas; `prediction`:
    "epsilon" or "v_prediction" (v = a eps - s x0, arXiv 2202.00512). Both weights count the error of x0
    min(SNR, gamma)-fold. `focus`: how much each cell counts (B, 1, H, W), of mean 1; None: all the same. Gives the
    weighted loss, and `mse`: the mean squared error of epsilon, in which all cells count the same.
    """
    level = abar[t].view(-1, 1, 1, 1)
    a, s = level.sqrt(), (1 - level).sqrt()
    x = (a * x0 + s * noise).contiguous(memory_format=torch.channels_last)
    snr = abar[t] / (1 - abar[t])
    output = predict(x, t).float()
    if prediction == "v_prediction":
        squares = (output - (a * noise - s * x0)).square()
        weight, of_epsilon = snr.clamp(max=snr_limit) / (snr + 1), abar[t]
    else:
        squares = (output - noise).square()
        weight, of_epsilon = snr.clamp(max=snr_limit) / snr, torch.ones_like(snr)
    mse = (squares.detach().mean((1, 2, 3)) * of_epsilon).mean()
    error = (squares if focus is None else squares * focus).mean((1, 2, 3))
    return (error * weight).mean(), {"mse": mse}
