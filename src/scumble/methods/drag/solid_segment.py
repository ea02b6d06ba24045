"""The thing that a handle lies on, with a smooth outline at the picture's own resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.methods.drag.segment import COARSE, HALF, coarse_segment

__all__ = ["solid_segment_at"]

RAGGED = 0.6
"""A thing of which less than this share is left when its thin parts are taken off is no thing but texture."""


def solid_segment_at(image: Tensor, handle: tuple[float, float], mask: Tensor) -> Tensor | None:
    """The same with a smooth outline at the picture's own resolution, and None where only texture stands out.

    In a photograph many places differ from the ground somewhere; what is left of a thing without its thin parts must
    be most of it. Near the outline, pixels go by whether their color is nearer to the thing's or to the ground's.
    """
    thing = coarse_segment(image, handle, mask)
    if thing is None:
        return None
    whole = thing[None, None].float()
    opened = F.max_pool2d(1 - F.max_pool2d(1 - whole, 3, 1, 1), 3, 1, 1)
    if max(image.shape[-2:]) > COARSE:
        if _is_cut(whole, mask):
            return None
        if float(opened.sum()) < RAGGED * float(whole.sum()):
            return None
        whole = opened
    size, shape = image.shape[-2:], thing.shape
    small = F.interpolate(image[None].float().cpu(), size=shape, mode="area")
    inner, outer = 1 - F.max_pool2d(1 - whole, 3, 1, 1), F.max_pool2d(whole, 3, 1, 1)
    of_thing, of_ground = _nearby(small, inner if bool(inner.any()) else whole), _nearby(small, 1 - outer)
    sure, maybe = (F.interpolate(one, size=size, mode="bilinear", align_corners=False) for one in (inner, outer))
    colors = image[None].float().cpu()
    thing_like, ground_like = (
        (F.interpolate(one, size=size, mode="bilinear", align_corners=False) - colors).square().sum(1, keepdim=True)
        for one in (of_thing, of_ground)
    )
    full = (sure > HALF) | ((maybe > HALF) & (thing_like < ground_like))
    smooth = F.avg_pool2d(full.float(), 5, 1, 2, count_include_pad=False)[0, 0] > HALF
    return _whole(smooth & (mask.cpu() > 0), handle)


def _whole(thing: Tensor, handle: tuple[float, float]) -> Tensor:
    """The connected part under the handle, its holes filled."""
    from scipy import ndimage

    labels, _ = ndimage.label(thing.numpy())
    row, column = (min(max(round(p), 0), n - 1) for p, n in zip(handle[::-1], thing.shape, strict=True))
    one = labels == labels[row, column] if labels[row, column] else thing.numpy()
    return torch.from_numpy(ndimage.binary_fill_holes(one)).float()


def _is_cut(whole: Tensor, mask: Tensor) -> bool:
    """Whether most of a thing's outline is the edge of the mask or of the picture: then it ends elsewhere."""
    free = (F.adaptive_max_pool2d((mask > 0)[None, None].float().cpu(), list(whole.shape[-2:])) > 0).float()
    grown = F.max_pool2d(F.pad(whole, (1, 1, 1, 1)), 3, 1, 1)
    outline = (grown > 0) & (F.pad(whole, (1, 1, 1, 1)) == 0)
    blocked = F.pad(free, (1, 1, 1, 1)) == 0
    return float((outline & blocked).sum()) > 0.5 * float(outline.sum())


def _nearby(small: Tensor, where: Tensor) -> Tensor:
    """The mean color (1, C, h, w) of the marked places around every place."""
    weight = F.avg_pool2d(where, 15, 1, 7, count_include_pad=False)
    return F.avg_pool2d(small * where, 15, 1, 7, count_include_pad=False) / weight.clamp_min(1e-4)
