"""Whether one sees where a region was painted: the step across its border against the steps beside it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble_lab.bench.case import Mask

__all__ = ["seam"]


def seam(picture: Tensor, region: Mask, reach: int = 3) -> float:
    """Mean step between neighbours on either side of the border, over the mean step within `reach` pixels of it.

    1 where the border is no different from what is around it, larger where it shows. `picture` (3, H, W) in [0, 1].
    NaN where the region has no border in the picture, or all is flat around it.
    """
    inside = torch.from_numpy(region)
    across, beside = [], []
    border = torch.zeros_like(inside)
    for axis in (0, 1):
        differ = torch.diff(inside.int(), dim=axis) != 0
        first, second = (border.narrow(axis, k, differ.shape[axis]) for k in (0, 1))
        first |= differ
        second |= differ
    near = F.max_pool2d(border[None, None].float(), 2 * reach + 1, stride=1, padding=reach)[0, 0] > 0
    for axis in (0, 1):
        steps = torch.diff(picture, dim=axis + 1).abs().mean(dim=0)
        differ = torch.diff(inside.int(), dim=axis) != 0
        both = near.narrow(axis, 0, differ.shape[axis]) & near.narrow(axis, 1, differ.shape[axis])
        across.append(steps[differ])
        beside.append(steps[both & ~differ])
    on, off = torch.cat(across), torch.cat(beside)
    if not len(on) or not len(off) or float(off.mean()) < 1e-6:
        return math.nan
    return float(on.mean() / off.mean())
