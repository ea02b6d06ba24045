"""Guidance as an input of the network, beside its time: what full LCM checkpoints have (arXiv 2310.04378)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["guidance_input", "guidance_width"]


def guidance_width(network: Any) -> int | None:
    """Return how many numbers a network reads its guidance weight from (``time_cond_proj_dim``), or None."""
    width = network.config.get("time_cond_proj_dim")
    return None if width is None else int(width)


def guidance_input(weight: Tensor, width: int) -> Tensor:
    """Return what the network reads (B, width), float32, of guidance weights (B,) in the usual sense, 1 for none.

    Sines and cosines of ``1000 (w - 1)`` at frequencies from 1 down to 1/10000: the paper's weight is the usual one
    less 1.
    """
    half = width // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10000.0) / max(half - 1, 1)))
    angles = 1000 * (weight.float()[:, None] - 1) * frequencies.to(weight.device)
    return F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))
