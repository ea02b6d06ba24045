"""How near two pictures are, pixel by pixel, over all of them or over a mask: MSE, PSNR, SSIM."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scumble.images import decibels
from scumble_lab.bench.case import Mask

__all__ = ["PSNR_LIMIT", "change_share", "masked_as_published", "mse", "psnr", "ssim", "unit"]

PSNR_LIMIT = 60.0
"""Decibels that equal pictures count, so that means stay finite; a difference of one step everywhere is 48."""


def unit(image: Image.Image) -> Tensor:
    """Return (3, H, W) float64 in [0, 1]."""
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.float64) / 255).permute(2, 0, 1)


def mse(one: Tensor, two: Tensor, mask: Mask | None = None) -> float:
    """Mean squared difference of (3, H, W) in [0, 1] over the mask's pixels; NaN if it has none."""
    squares = (one - two).square().mean(dim=0)
    if mask is None:
        return float(squares.mean())
    return float(squares[torch.from_numpy(mask)].mean()) if mask.any() else math.nan


def psnr(one: Tensor, two: Tensor, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in decibels, at most `PSNR_LIMIT`; NaN if the mask is empty."""
    return decibels(mse(one, two, mask), limit=PSNR_LIMIT)


def ssim(one: Tensor, two: Tensor, mask: Mask | None = None) -> float:
    """Structural similarity (Wang et al. 2004): Gaussian window of 11, sigma 1.5, mean over the mask's pixels.

    Equals torchmetrics' where there is no mask (pictures are mirrored at their edges). NaN if the mask is empty.
    """
    field = _ssim_map(one, two)
    if mask is None:
        return float(field.mean())
    return float(field[torch.from_numpy(mask)].mean()) if mask.any() else math.nan


def _ssim_map(one: Tensor, two: Tensor) -> Tensor:
    """(H, W): the mean over the channels of the local similarities."""
    down, across = _gaussian(one.shape[-2]), _gaussian(one.shape[-1])

    def mean(x: Tensor) -> Tensor:
        return down @ x.double() @ across.T

    a, b = mean(one), mean(two)
    aa, bb, ab = mean(one * one) - a * a, mean(two * two) - b * b, mean(one * two) - a * b
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * a * b + c1) * (2 * ab + c2) / ((a * a + b * b + c1) * (aa + bb + c2))).mean(dim=0)


@cache
def _gaussian(size: int) -> Tensor:
    """(size, size): the window's mean along one side, mirrored at the edges, as a matrix."""
    weights = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    padded = F.pad(torch.eye(size, dtype=torch.float64)[:, None], (5, 5), mode="reflect")
    return F.conv1d(padded, (weights / weights.sum())[None, None])[:, 0].T.contiguous()


def masked_as_published(one: Tensor, two: Tensor, keep: Mask) -> dict[str, float]:
    """PIE-Bench's background figures (arXiv 2310.01506): zeros outside `keep`, then means over the whole picture.

    The zeros count as perfect, so figures of masks of different sizes do not compare; `mse` over the mask's own
    pixels does. NaN where nothing is kept.
    """
    if not keep.any():
        return dict.fromkeys(("mse", "psnr", "ssim"), math.nan)
    share = torch.from_numpy(keep).double()
    error = mse(one * share, two * share)
    return {"mse": error, "psnr": decibels(error, limit=PSNR_LIMIT), "ssim": ssim(one * share, two * share)}


def change_share(one: Tensor, two: Tensor, threshold: float = 12 / 255) -> float:
    """Share of the pixels of which one channel differs by more than `threshold`."""
    return float(((one - two).abs().amax(dim=0) > threshold).double().mean())
