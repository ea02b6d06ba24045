"""A hole in a picture filled smoothly from what is around it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["filled"]


def filled(image: Tensor, known: Tensor) -> Tensor:
    """Return (C, H, W) with the places of weight 0 filled from ever coarser means of the known ones.

    This is the pull-push of Gortler et al. 1996 ("The Lumigraph", section 3.4). Known places come back as they were.

    Args:
        image: (C, H, W).
        known: Weights (H, W) in [0, 1]; 0 is unknown.
    """
    weight = known[None, None]
    if weight.shape[-1] * weight.shape[-2] == 1 or bool((weight > 0).all()):
        return image
    mean = F.avg_pool2d(image[None] * weight, 2, ceil_mode=True, count_include_pad=False)
    share = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
    coarse = filled((mean / share.clamp(min=1e-6))[0], (share[0, 0] > 0).to(image.dtype))
    smooth = F.interpolate(coarse[None], size=image.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(weight > 0, image[None], smooth)[0]
