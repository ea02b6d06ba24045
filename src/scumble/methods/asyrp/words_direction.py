"""Two texts as a direction of CLIP's space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor


def words_direction(text: Callable[[Sequence[str]], Tensor], source: str, target: str, frames: Sequence[str]) -> Tensor:
    """Unit direction (1, D) from one text to the other, mean over sentence frames such as ``a photo of {}``."""
    moved = text([f.format(target) for f in frames]) - text([f.format(source) for f in frames])
    return F.normalize(moved.mean(0, keepdim=True), dim=-1)


def similarity(text: Callable[[Sequence[str]], Tensor], source: str, target: str) -> float:
    """Cosine of the two texts, without frames."""
    a, b = text([source, target]).split(1)
    return float(F.cosine_similarity(a, b))
