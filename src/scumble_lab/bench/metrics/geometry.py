"""Where a thing is in an edited picture: the true thing is laid over every place, and the best match counts."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scumble_lab.bench.case import Mask

__all__ = ["find", "mean_distance", "middle"]


def middle(mask: Mask) -> tuple[float, float]:
    """Mean x, y of a mask's pixels; NaN if it has none."""
    rows, columns = np.nonzero(mask)
    return (float(columns.mean()), float(rows.mean())) if len(rows) else (math.nan, math.nan)


def find(picture: Tensor, true: Tensor, mask: Mask) -> tuple[float, float]:
    """Return x, y of the middle of a thing in `picture` (3, H, W), given its true look.

    The pixels of `true` (3, H, W) under `mask` (H, W) are compared with the picture at every offset that keeps the
    thing's middle in the picture; pixels beyond the edge are not compared. The offset of the least mean squared
    difference is the answer, the nearest to the true place among equals. Needs no network. NaN for an empty mask.
    """
    x, y = middle(mask)
    if math.isnan(x):
        return math.nan, math.nan
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    share = torch.from_numpy(mask[top:bottom, left:right]).double()
    patch = true[:, top:bottom, left:right].double() * share
    pads = (width, width, height, height)
    padded = F.pad(picture.double(), pads)
    inside = F.pad(torch.ones(1, height, width, dtype=torch.float64), pads)
    squares = _correlation(padded.square().sum(0, keepdim=True), share[None])
    products = _correlation(padded, patch)
    energy = _correlation(inside, patch.square().sum(0, keepdim=True))
    compared = _correlation(inside, share[None])
    error = (squares - 2 * products + energy) / compared.clamp_min(1)
    error = torch.where(compared >= 0.5 * share.sum(), error, torch.inf)
    down = torch.arange(error.shape[0], dtype=torch.float64)[:, None] - height - int(top)
    across = torch.arange(error.shape[1], dtype=torch.float64)[None] - width - int(left)
    at_x, at_y = x + across, y + down
    outside = (at_x < 0) | (at_x > width - 1) | (at_y < 0) | (at_y > height - 1)
    error = error.masked_fill(outside, torch.inf) + 1e-9 * (down.square() + across.square()).sqrt()
    best = int(error.argmin())
    row, column = divmod(best, error.shape[1])
    return float(at_x[0, column]), float(at_y[row, 0])


def mean_distance(point: tuple[float, float], wanted: tuple[float, float]) -> float:
    """Distance in pixels; NaN if either is not there."""
    return math.dist(point, wanted)


def _correlation(field: Tensor, patch: Tensor) -> Tensor:
    """Sum over the channels of a patch (C, h, w) laid over a field (C, H, W) at every offset inside it, by FFT."""
    (height, width), (h, w) = field.shape[-2:], patch.shape[-2:]
    spectrum = torch.fft.rfft2(field) * torch.fft.rfft2(patch, s=(height, width)).conj()
    correlation: Tensor = torch.fft.irfft2(spectrum.sum(0), s=(height, width))
    return correlation[: height - h + 1, : width - w + 1]
