"""The thing that a handle lies on: what stands out from the ground around the mask, connected to the handle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["COARSE", "HALF", "coarse_segment", "segment_at"]

COARSE = 128
"""Longest side of the picture in which a thing is looked for."""
UNLIKE = 0.35
"""A place belongs to a thing when it differs from the ground by this share of what its handle differs by."""
PLAIN = 0.05
"""A handle that differs less from the ground (colours in [-1, 1]) stands out from nothing."""
HALF = 0.5
"""A pixel belongs to what covers more than this share of it."""


def segment_at(image: Tensor, handle: tuple[float, float], mask: Tensor) -> Tensor | None:
    """Return the thing (H, W) in {0, 1} that a handle (x, y) lies on, or None where nothing stands out.

    The mask is drawn around it, so what lies outside is the ground. A place that has no like in the ground at about
    its height belongs to a thing, and to this one when it is connected to the handle; its holes belong to it too.

    Args:
        image: (C, H, W) in [-1, 1].
        handle: In pixels.
        mask: (H, W), what may move: above 0.
    """
    thing = coarse_segment(image, handle, mask)
    if thing is None:
        return None
    wider = F.max_pool2d(thing[None, None].float(), 3, 1, 1)
    full = F.interpolate(wider, size=image.shape[-2:], mode="bilinear", align_corners=False)[0, 0] > HALF
    return (full & (mask.cpu() > 0)).float()


def coarse_segment(image: Tensor, handle: tuple[float, float], mask: Tensor) -> Tensor | None:
    """The thing as truth values on a grid whose longer side is at most ``COARSE``."""
    shrink = min(1.0, COARSE / max(image.shape[-2:]))
    size = [max(round(n * shrink), 1) for n in image.shape[-2:]]
    small = F.interpolate(image[None].float().cpu(), size=size, mode="area")[0]
    free = F.adaptive_max_pool2d((mask > 0)[None, None].float().cpu(), size)[0, 0] > 0
    if bool(free.all()) or not bool(free.any()):
        return None
    height = torch.linspace(-0.5, 0.5, size[0])[None, :, None].expand(1, *size)
    known = torch.cat([small, height]).permute(1, 2, 0)
    near = F.max_pool2d(free[None, None].float(), 33, 1, 16)[0, 0] > 0
    ground = known[~free & near]
    distances = torch.zeros(size)
    distances[free] = torch.cdist(known[free], ground[:: len(ground) // 1500 + 1]).amin(-1)
    row, column = (min(max(round((p + 0.5) * shrink - 0.5), 0), n - 1) for p, n in zip(handle[::-1], size, strict=True))
    here = distances[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    if not bool(free[row, column]) or float(here.median()) < PLAIN:
        return None
    unlike = distances > max(UNLIKE * float(here.median()), PLAIN)
    seed = torch.zeros_like(unlike)
    seed[row, column] = True
    thing = _grown(seed, unlike | seed)
    outside = torch.ones_like(thing)
    outside[1:-1, 1:-1] = ~free[1:-1, 1:-1]
    thing = ~_grown(outside & ~thing, ~thing)
    if int(thing.sum()) < 4 or int((thing & free).sum()) > 0.9 * int(free.sum()):
        return None
    return thing


def _grown(seed: Tensor, within: Tensor) -> Tensor:
    """All places of ``within`` that are connected to ``seed``."""
    while True:
        wider = (F.max_pool2d(seed[None, None].float(), 3, 1, 1)[0, 0] > 0) & within
        if torch.equal(wider, seed):
            return seed
        seed = wider
