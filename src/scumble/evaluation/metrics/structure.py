"""Structure distance: self-similarity of a vision transformer's keys (arXiv 2201.00424, 2211.12572)."""

from __future__ import annotations

import re
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.errors import MethodError

__all__ = ["key_layer", "self_similarity", "structure_distance"]

_KEYS = re.compile(r"(^|\.)(k_proj|key|k)$")


def key_layer(vision: nn.Module) -> nn.Module:
    """The last layer that computes keys, in any transformers ViT, DINO or CLIP vision tower.

    Raises:
        MethodError: if there is none.
    """
    found = [module for name, module in vision.named_modules() if _KEYS.search(name)]
    if not found:
        raise MethodError(f"{type(vision).__name__} has no layer of attention keys: give a vision transformer")
    return found[-1]


@torch.no_grad()
def self_similarity(vision: Any, pixels: Tensor) -> Tensor:
    """Return (B, L, L): cosines between the keys of all tokens, heads joined, for normalised pixels (B, 3, H, W)."""
    caught: list[Tensor] = []
    handle = key_layer(vision).register_forward_hook(lambda _m, _i, keys: caught.append(keys))
    try:
        vision(pixels)
    finally:
        handle.remove()
    keys = F.normalize(caught[-1].flatten(2).float(), dim=-1, eps=1e-8)
    return keys @ keys.transpose(1, 2)


def structure_distance(one: Tensor, two: Tensor) -> float:
    """Mean squared difference of two self-similarities (L, L); published figures are times 1000."""
    return float((one - two).square().mean())
