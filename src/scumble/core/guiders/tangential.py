"""Tangential damping: of the unconditional noise only what both predictions share (arXiv 2503.18137 algorithm 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from scumble.core.guiders.base import NoiseRule, Scale

__all__ = ["Tangential"]


class Tangential(NoiseRule):
    """Guidance away from the unconditional noise projected on the first singular direction of the pair."""

    def rule(self, uncond: Tensor, cond: Tensor, scale: Scale) -> Tensor:
        """Project, then guide."""
        pair = torch.stack([cond, uncond], dim=1).float().flatten(2)
        first = torch.linalg.svd(pair, full_matrices=False).Vh[:, :1]
        shared = (pair[:, 1:] @ first.transpose(-2, -1)) @ first
        base = shared.reshape(uncond.shape).to(cond.dtype)
        return base + scale * (cond - base)
