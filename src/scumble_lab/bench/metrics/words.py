"""Whether a picture shows its words, by a CLIP that guided nothing: similarity, direction, accuracy."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["accuracy", "direction", "similarity"]


def similarity(picture: Tensor, text: Tensor) -> float:
    """100 max(0, cosine) of unit features (D,)."""
    return 100 * max(0.0, float(picture @ text))


def direction(result: Tensor, source: Tensor, text: Tensor, source_text: Tensor) -> float:
    """Cosine between the way of the pictures and the way of the words, unit features (D,) (arXiv 2108.00946).

    0 where the picture did not move; NaN where the words did not.
    """
    ways = result - source, text - source_text
    if float(ways[1].norm()) < 1e-6:
        return math.nan
    return float(F.cosine_similarity(*ways, dim=0)) if float(ways[0].norm()) > 1e-6 else 0.0


def accuracy(result: Tensor, text: Tensor, source_text: Tensor) -> float:
    """1 if the picture is nearer to its words than to the source's, else 0 (arXiv 2302.03027); NaN for equal words."""
    if torch.equal(text, source_text):
        return math.nan
    return float(float(result @ text) > float(result @ source_text))
