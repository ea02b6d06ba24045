"""Structure distance: self-similarity of a vision transformer's keys (arXiv 2201.00424, 2211.12572)."""

from __future__ import annotations

import torch
from torch import Tensor

from scumble.energies.vit import self_similarity
from scumble.models.vision import VisionTower

__all__ = ["structure", "structure_distance"]


@torch.no_grad()
def structure(vision: VisionTower, pictures: Tensor, pie_compat: bool = False) -> Tensor:
    """Return (B, T, T): cosines between the keys of all tokens, heads joined, of pictures (B, 3, H, W) in [-1, 1].

    Args:
        vision: Any vision transformer; published figures are DINO's (facebook/dino-vitb8).
        pictures: Of any size.
        pie_compat: Give the network values to 255 where it expects 1, as PIE-Bench's code does (arXiv 2310.01506).
    """
    given = 255 * (pictures + 1) - 1 if pie_compat else pictures
    return self_similarity(vision(given.to(vision.device)).keys).cpu()


def structure_distance(one: Tensor, two: Tensor) -> float:
    """Mean squared difference of two self-similarities (T, T); published figures are times 1000."""
    return float((one - two).square().mean())
