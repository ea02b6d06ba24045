"""A quick look at a drag: the picture itself pulled along the points, with what that leaves uncovered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.images import filled
from scumble.methods.drag.points import PointPair

__all__ = [
    "CUT",
    "FADE",
    "Edge",
    "Field",
    "Warped",
    "displacement",
    "segment_at",
    "solid_segment_at",
    "warp",
    "warp_noise",
]

Array = npt.NDArray[np.float64]

FINE = 2
"""Samples per pixel of a side when pixels are sent on their way."""
SHARE = 1 / 6
"""Without a mask a point takes along what lies within this share of the picture's shorter side."""
COARSE = 128
"""Longest side of the picture in which a thing is looked for."""
UNLIKE = 0.35
"""A place belongs to a thing when it differs from the ground by this share of what its handle differs by."""
PLAIN = 0.05
"""A handle that differs less from the ground (colours in [-1, 1]) stands out from nothing."""
RAGGED = 0.6
"""A thing of which less than this share is left when its thin parts are taken off is no thing but texture."""
SOLID = 0.5
"""Pixels moved by more than this share of the way count as the moved thing, the others as what lies behind it."""


@dataclass(frozen=True)
class Edge:
    """How a pull ends: at its reach, and at the edge of the mask.

    Attributes:
        disc: Share of the way at squared distances from the handle, in units of the squared reach.
        rim: Factor of the share at distances from the mask's black, given the handle's own distance.
    """

    disc: Callable[[Array], Array]
    rim: Callable[[Array, float], Array]


def _smooth(ramp: Array) -> Array:
    ramp = np.clip(ramp, 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp))


def _fading_disc(squared: Array) -> Array:
    return _smooth((1.0 - np.sqrt(squared)) / (1.0 - FLAT))


def _fading_rim(depth: Array, own: float) -> Array:
    return _smooth((depth - 1.0) / max(own - 1.0, 1.0))


FLAT = 0.3
"""Share of the reach within which everything goes the whole way."""
FADE = Edge(_fading_disc, _fading_rim)
"""Exactly nothing moves at the reach and at the mask's edge, and nothing tears there."""
CUT = Edge(lambda squared: np.asarray(np.exp(-(squared**2))), lambda depth, own: np.ones_like(depth))
"""As in version 0.1: a third of the way is left at the reach, and all of it at the mask's edge."""


@dataclass(frozen=True)
class Field:
    """Where the pixels of a picture go.

    Attributes:
        offset: (H FINE, W FINE, 2), down and across in pixels, at the centres of a finer grid.
        share: (H FINE, W FINE) in [0, 1]: how far a place follows its nearest point; more lies in front of less.
    """

    offset: Array
    share: Array


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


def displacement(
    size: tuple[int, int],
    pairs: Sequence[PointPair],
    mask: Tensor | None = None,
    radius: float | None = None,
    things: Sequence[Tensor | None] = (),
    edge: Edge = FADE,
) -> Field:
    """Return a smooth field that takes every handle exactly to its target and fades to nothing.

    Each handle takes along its thing, or what lies within ``radius``; where reaches overlap they are solved together.

    Args:
        size: (H, W).
        pairs: Points in pixels of this picture.
        mask: (H, W), what may move: above 0. None: everything.
        radius: In pixels; None: up to the nearest place that the mask holds, or a sixth of the shorter side.
        things: For each pair the thing (H, W) in [0, 1] that moves with it as a whole (:func:`thing_at`), or None.
        edge: How the pull ends.
    """
    height, width = size
    rows, columns = ((np.arange(n * FINE) + 0.5) / FINE - 0.5 for n in (height, width))
    free, black = np.ones((height * FINE, width * FINE)), None
    if mask is not None:
        fixed = ~(mask.cpu().numpy() > 0)
        black = np.argwhere(fixed) if fixed.any() else None
        free = np.repeat(np.repeat((~fixed).astype(np.float64), FINE, 0), FINE, 1)
    handles = np.array([pair.handle[::-1] for pair in pairs])
    ways = np.array([pair.target[::-1] for pair in pairs]) - handles
    reaches = [_reach(black, handle, size) if radius is None else radius for handle in handles]

    shares = np.stack(
        [_disc(handle, reach, rows, columns, edge) for handle, reach in zip(handles, reaches, strict=True)]
    )
    held_by = [None if thing is None else _fine(thing) for thing in things] or [None] * len(pairs)
    near = np.stack([1 / ((rows[:, None] - h[0]) ** 2 + (columns[None] - h[1]) ** 2 + 1e-6) for h in handles])
    for k, thing in enumerate(held_by):
        if thing is not None:  # of several handles in one thing the nearer one counts more: it bends between them
            rivals = sum(near[j] * (other > 0) for j, other in enumerate(held_by) if other is not None)
            shares[k] = thing * near[k] / np.maximum(rivals, near[k])
    shares *= free
    if black is not None:
        depth = _depth(fixed)
        for k, handle in enumerate(handles):
            one, clearance = held_by[k], float(np.sqrt(((black - handle) ** 2).sum(-1).min()))
            if one is None and reaches[k] <= clearance:  # it has fallen to nothing before
                continue
            if one is None or bool(((one > 0) & (depth <= 1.0) & (free > 0)).any()):
                shares[k] *= edge.rim(depth, min(clearance, reaches[k]))
    shares[shares < 1e-3] = 0.0
    between = np.array([_at(shares, (handle + 0.5) * FINE - 0.5) for handle in handles])
    pull, *_ = np.linalg.lstsq(between, ways, rcond=1e-6)
    return Field(np.tensordot(shares, pull, axes=(0, 0)), shares.sum(0).clip(max=1))


def _reach(black: npt.NDArray[np.int64] | None, handle: Array, size: tuple[int, int]) -> float:
    if black is None:
        return min(size) * SHARE
    return max(float(np.sqrt(((black - handle) ** 2).sum(-1).min())), 2.0)


def _disc(handle: Array, reach: float, rows: Array, columns: Array, edge: Edge) -> Array:
    return edge.disc(((rows[:, None] - handle[0]) ** 2 + (columns[None] - handle[1]) ** 2) / reach**2)


def _depth(held: npt.NDArray[np.bool_]) -> Array:
    """Distance of every sample from the nearest pixel that the mask holds."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(~held)
    return np.repeat(np.repeat(depth, FINE, 0), FINE, 1)


def _at(shares: Array, place: Array) -> Array:
    """Bilinear samples of (N, rows, columns) at one place."""
    for position in place:
        position = min(max(float(position), 0.0), shares.shape[1] - 1.0)
        low = min(int(position), shares.shape[1] - 2)
        shares = shares[:, low] * (1 - position + low) + shares[:, low + 1] * (position - low)
    return shares


def _fine(thing: Tensor) -> Array:
    return np.repeat(np.repeat((thing.cpu().numpy() > SOLID).astype(np.float64), FINE, 0), FINE, 1)


def segment_at(image: Tensor, handle: tuple[float, float], mask: Tensor) -> Tensor | None:
    """Return the thing (H, W) in {0, 1} that a handle (x, y) lies on, or None where nothing stands out.

    The mask is drawn around it, so what lies outside is the ground. A place that has no like in the ground at about
    its height belongs to a thing, and to this one when it hangs together with the handle; its holes belong to it too.

    Args:
        image: (C, H, W) in [-1, 1].
        handle: In pixels.
        mask: (H, W), what may move: above 0.
    """
    thing = _coarse_segment(image, handle, mask)
    if thing is None:
        return None
    wider = F.max_pool2d(thing[None, None].float(), 3, 1, 1)
    full = F.interpolate(wider, size=image.shape[-2:], mode="bilinear", align_corners=False)[0, 0] > SOLID
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
    full = (sure > SOLID) | ((maybe > SOLID) & (thing_like < ground_like))
    smooth = F.avg_pool2d(full.float(), 5, 1, 2, count_include_pad=False)[0, 0] > SOLID
    return _whole(smooth & (mask.cpu() > 0), handle)


def _whole(found: Tensor, handle: tuple[float, float]) -> Tensor:
    """The connected part under the handle, its holes filled."""
    from scipy import ndimage

    labels, _ = ndimage.label(found.numpy())
    row, column = (min(max(round(p), 0), n - 1) for p, n in zip(handle[::-1], found.shape, strict=True))
    one = labels == labels[row, column] if labels[row, column] else found.numpy()
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
    """All places of ``within`` that hang together with ``seed``."""
    while True:
        wider = (F.max_pool2d(seed[None, None].float(), 3, 1, 1)[0, 0] > 0) & within
        if torch.equal(wider, seed):
            return seed
        seed = wider


def warp(image: Tensor, field: Field, mask: Tensor | None = None) -> Warped:
    """Send every pixel of ``image`` (C, H, W) along the field; of several that meet, the one moved furthest is seen.

    Pixels that would land where the mask is 0, or outside, are dropped: there the picture stays.
    """
    at, covered, moved = _sources((image.shape[-2], image.shape[-1]), field, mask)
    colours = _sampled(image, at)
    uncovered = ~covered.to(image.device)
    behind = (covered & (moved < SOLID)).float().to(image.device)
    result = torch.where(uncovered, filled(colours, behind), colours)
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
