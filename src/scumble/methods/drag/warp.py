"""A picture sent along a field, or noise cell by cell, with what that leaves uncovered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.images import filled
from scumble.methods.drag.displacement import FINE, SOLID, Field

__all__ = ["Warped", "warp", "warp_noise"]


@dataclass(frozen=True)
class Warped:
    """A warped picture.

    Attributes:
        image: (C, H, W); what nothing came to is filled from around.
        uncovered: (H, W) truth values: nothing came here.
        moved: (H, W) in [0, 1]: the share of the way that what is seen here has gone.
    """

    image: Tensor
    uncovered: Tensor
    moved: Tensor


def warp(image: Tensor, field: Field, mask: Tensor | None = None) -> Warped:
    """Send every pixel of ``image`` (C, H, W) along the field; of several that meet, the one moved furthest is seen.

    Pixels that would land where the mask is 0, or outside, are dropped: there the picture stays.
    """
    at, covered, moved = _sources((image.shape[-2], image.shape[-1]), field, mask)
    colors = _sampled(image, at)
    uncovered = ~covered.to(image.device)
    behind = (covered & (moved < SOLID)).float().to(image.device)
    result = torch.where(uncovered, filled(colors, behind), colors)
    return Warped(result, uncovered, moved.to(image.device))


def warp_noise(noise: Tensor, fresh: Tensor, field: Field, mask: Tensor | None = None) -> Tensor:
    """Send noise (C, H, W) along the field whole cell by whole cell, so that it stays noise; the rest is ``fresh``."""
    at, covered, _ = _sources((noise.shape[-2], noise.shape[-1]), field, mask)
    row, column = (at[k].round().long().clamp(0, noise.shape[k + 1] - 1).to(noise.device) for k in (0, 1))
    return torch.where(covered.to(noise.device), noise[:, row, column], fresh)


def _sources(size: tuple[int, int], field: Field, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """For every pixel where it came from (2, H, W), whether from anywhere, and its share of the way."""
    height, width = size
    rows, columns = ((np.arange(n * FINE) + 0.5) / FINE - 0.5 for n in size)
    down, across = rows[:, None] + field.offset[..., 0], columns[None] + field.offset[..., 1]
    at, to = np.rint(down).astype(np.int64), np.rint(across).astype(np.int64)
    lands = (at >= 0) & (at < height) & (to >= 0) & (to < width)
    if mask is not None:
        free = mask.cpu().numpy() > 0
        lands &= free[at.clip(0, height - 1), to.clip(0, width - 1)] | (field.share == 0)
    source = np.full(height * width, -1)
    still = lands & (field.share == 0)  # the last of a pixel's samples stands for it; what moves lies in front
    source[(at[still] * width + to[still])] = np.flatnonzero(still)
    moving = lands & (field.share > 0)
    nearness = (down[moving] - at[moving]) ** 2 + (across[moving] - to[moving]) ** 2
    order = np.lexsort((-nearness, field.share[moving]))  # of equal shares the nearest last: it wins
    source[(at[moving] * width + to[moving])[order]] = np.flatnonzero(moving)[order]
    covered, source = source >= 0, source.clip(0)
    row, column = np.divmod(source, width * FINE)
    here = np.arange(height * width)
    missed = here // width - down.flat[source], here % width - across.flat[source]
    places = torch.from_numpy(np.stack([rows[row] + missed[0], columns[column] + missed[1]])).view(2, height, width)
    moved = torch.from_numpy(np.where(covered, field.share.flat[source], 0.0)).float().view(height, width)
    return places, torch.from_numpy(covered).view(height, width), moved


def _sampled(image: Tensor, at: Tensor) -> Tensor:
    """Bilinear samples of (C, H, W) at rows and columns (2, H, W)."""
    height, width = image.shape[-2:]
    scale = torch.tensor([max(width - 1, 1), max(height - 1, 1)], dtype=torch.float64)
    grid = (at.flip(0).permute(1, 2, 0) / scale * 2 - 1)[None].to(image.device, image.dtype)
    return F.grid_sample(image[None], grid, align_corners=True, padding_mode="border")[0]
