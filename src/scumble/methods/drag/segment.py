"""The thing that a handle lies on: what stands out from the ground around the mask, connected to the handle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["segment_at", "solid_segment_at"]

COARSE = 128
"""Longest side of the picture in which a thing is looked for."""
UNLIKE = 0.35
"""A place belongs to a thing when it differs from the ground by this share of what its handle differs by."""
PLAIN = 0.05
"""A handle that differs less from the ground (colours in [-1, 1]) stands out from nothing."""
RAGGED = 0.6
"""A thing of which less than this share is left when its thin parts are taken off is no thing but texture."""
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
    thing = _coarse_segment(image, handle, mask)
    if thing is None:
        return None
    wider = F.max_pool2d(thing[None, None].float(), 3, 1, 1)
    full = F.interpolate(wider, size=image.shape[-2:], mode="bilinear", align_corners=False)[0, 0] > HALF
    return (full & (mask.cpu() > 0)).float()


def solid_segment_at(image: Tensor, handle: tuple[float, float], mask: Tensor) -> Tensor | None:
    """The same with a smooth outline at the picture's own resolution, and None where only texture stands out.

    In a photograph many places differ from the ground somewhere; what is left of a thing without its thin parts must
    be most of it. Near the outline, pixels go by whether their color is nearer to the thing's or to the ground's.
    """
    thing = _coarse_segment(image, handle, mask)
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


def _coarse_segment(image: Tensor, handle: tuple[float, float], mask: Tensor) -> Tensor | None:
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
