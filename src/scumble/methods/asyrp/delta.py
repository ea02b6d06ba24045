"""The small network that says how the bottleneck is to be shifted for one attribute (arXiv 2210.10960 section 3.3)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DeltaBlock"]


class DeltaBlock(nn.Module):
    """``h -> conv -> + time -> norm -> swish -> conv``: a shift of h's shape; not zero before it is trained.

    Args:
        channels: Of h.
        temb: Width of the network's time embedding; None: the shift does not depend on time.
        groups: Of the normalisation; fewer where the channels do not allow it.
    """

    def __init__(self, channels: int, temb: int | None, groups: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.temb_proj = None if temb is None else nn.Linear(temb, channels)
        self.norm2 = nn.GroupNorm(math.gcd(groups, channels), channels, eps=1e-6)
        self.conv2 = nn.Conv2d(channels, channels, 1)

    def forward(self, h: Tensor, temb: Tensor | None) -> Tensor:
        """Return the shift (B, C, h', w').

        Args:
            h: Output of the mid block (B, C, h', w').
            temb: The network's time embedding (1 or B, D), before its activation; None leaves time out.
        """
        delta: Tensor = self.conv1(h)
        if temb is not None and self.temb_proj is not None:
            delta = delta + self.temb_proj(F.silu(temb))[:, :, None, None]
        shift: torch.Tensor = self.conv2(F.silu(self.norm2(delta)))
        return shift
