"""How different several results of one edit are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

from torch import Tensor

__all__ = ["diversity", "root_distance"]


def root_distance(one: Tensor, two: Tensor) -> float:
    """Root of the mean squared difference of pictures (3, H, W) in [0, 1]."""
    return float((one - two).square().mean().sqrt())


def diversity(results: Sequence[Tensor], distance: Callable[[Tensor, Tensor], float] = root_distance) -> float:
    """Mean distance of all pairs; 0 where all are the same, NaN for fewer than two."""
    pairs = [distance(a, b) for a, b in combinations(results, 2)]
    return sum(pairs) / len(pairs) if pairs else math.nan
