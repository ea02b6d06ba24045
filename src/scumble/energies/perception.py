"""Perceptual distance of two images: LPIPS where it is installed, else the tokens of a CLIP."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.models.clip import ClipScorer, to_square

__all__ = ["clip_token_distance", "perceptual_distance"]

Distance = Callable[[Tensor], Tensor]


def perceptual_distance(source: Tensor, scorer: Callable[[], ClipScorer]) -> tuple[str, Distance]:
    """Return the name of a perceptual distance and the distance itself, from pictures (B, 3, H, W) to ``source``.

    Args:
        source: The picture to compare with (1, 3, H, W) in [-1, 1].
        scorer: Gives the CLIP where LPIPS (arXiv 1801.03924) is not installed.
    """
    try:
        lpips: Any = importlib.import_module("lpips")
        network = lpips.LPIPS(net="vgg", verbose=False).eval().requires_grad_(False).to(source.device)
    except (ImportError, OSError, RuntimeError):
        clip = scorer()
        return f"{clip.name} tokens", clip_token_distance(source, clip)
    return "lpips (vgg)", lambda pictures: network(pictures, source.expand_as(pictures)).flatten()


def clip_token_distance(source: Tensor, clip: ClipScorer) -> Distance:
    """Return half the mean squared distance of the unit tokens of a CLIP's last layer, that is 1 - cosine; 0 to 2."""
    with torch.no_grad():
        wanted = _tokens(source, clip)

    def distance(pictures: Tensor) -> Tensor:
        return 1 - (_tokens(pictures, clip) * wanted).sum(dim=-1).mean(dim=-1)

    return distance


def _tokens(pictures: Tensor, clip: ClipScorer) -> Tensor:
    return F.normalize(clip.tokens(to_square(pictures, clip.size)), dim=-1)
