"""Point tracking: where a handle is now, found by its feature (arXiv 2306.14435 eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from scumble.methods.drag.supervision import FeatureGrid

__all__ = ["track"]


def track(now: FeatureGrid, wanted: Tensor, handles: Tensor, radius: int) -> Tensor:
    """Return for each handle the whole grid position near it whose feature is nearest (L1) to the wanted one.

    The search region is the square of side 2 radius + 1 around the handle, cut at the border of the grid. Of equally
    near positions the first in reading order is taken.

    Args:
        now: The features to search.
        wanted: (N, C), the features of the handles where they began.
        handles: (N, 2) whole numbers, where the points were last.
        radius: r2, in grid steps.
    """
    found = []
    for feature, handle in zip(wanted, handles, strict=True):
        rows, columns = (
            torch.arange(max(int(p) - radius, 0), min(int(p) + radius + 1, n), device=handle.device).float()
            for p, n in zip(handle.tolist(), now.size, strict=True)
        )
        apart = (now.at(rows, columns) - feature[:, None, None]).abs().sum(0)
        best = int(apart.argmin())
        found.append(torch.stack([rows[best // len(columns)], columns[best % len(columns)]]))
    return torch.stack(found)
