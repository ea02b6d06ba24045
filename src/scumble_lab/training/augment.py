"""Mild damage to pictures, so that what reads them does not hang on single pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble_lab.training.loop import Draw

__all__ = ["roughened"]


def roughened(x: Tensor, draw: Draw) -> Tensor:
    """Pictures (B, 3, H, W) in [-1, 1]: a third of them blurred, all a little noisy and brighter or darker."""
    amount = torch.rand((len(x), 3, 1, 1, 1), generator=draw.host).to(x.device)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = (amount[:, 0] * 3 - 2).clamp_min(0)  # zero for two thirds, then up to one
    x = torch.lerp(x, blurred, share)
    noisy = x + draw.normal(x) * 0.08 * amount[:, 1] ** 2
    return (noisy * (0.9 + 0.2 * amount[:, 2])).clamp(-1, 1).contiguous(memory_format=torch.channels_last)
