"""Soft edges: a hard mask becomes a map whose strength fades with the distance from the mask's edge."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from PIL import Image

from scumble.errors import InputError, nearest
from scumble.maps.canvas import MapLike, Mask, Strengths, as_strengths, to_grey

__all__ = ["Side", "blurred_mask", "soften"]

Side = Literal["outside", "inside", "centred"]


def blurred_mask(mask: MapLike, radius: int, side: Side = "outside") -> Image.Image:
    """Give a mask an edge that fades over ``radius`` pixels: "soft inpainting".

    Args:
        mask: A map whose places from gray 128 up are inside.
        radius: Width of the edge in pixels, 0 or more.
        side: ``outside`` grows the mask, all of the region stays 1; ``inside`` shrinks it, nothing outside changes
            at all; ``centred`` lets the edge lie halfway.

    Returns:
        An 8-bit gray image of the mask's size, white = change.

    Raises:
        InputError: if the mask cannot be read, or radius or side is not one of those.
    """
    return to_grey(soften(as_strengths(mask) >= 0.5, radius, side))


def soften(inside: Mask, radius: int, side: Side) -> Strengths:
    """The same for a boolean mask (H,W), as strengths in [0,1]."""
    from scumble.images.islands import bounding_box

    if side not in get_args(Side):
        raise InputError(f"{side!r} is not one of {', '.join(get_args(Side))}{nearest(side, get_args(Side))}")
    if radius < 0:
        raise InputError(f"the softness must be 0 or more pixels, got {radius}")
    if radius == 0:
        return inside.astype(np.float64)
    box = bounding_box(inside)
    if box is None:
        return inside.astype(np.float64)
    strengths = np.zeros(inside.shape)
    height, width = inside.shape
    grown = radius + 1  # beyond it nothing is marked, and nothing changes
    rows = slice(max(box[1] - grown, 0), min(box[3] + grown, height))
    columns = slice(max(box[0] - grown, 0), min(box[2] + grown, width))
    strengths[rows, columns] = _softened(inside[rows, columns], radius, side)
    return strengths


def _softened(inside: Mask, radius: int, side: Side) -> Strengths:
    from scumble.images.distance import distance_to

    if side == "outside":
        return 1.0 - _smooth(distance_to(inside, radius) / (radius + 1))
    if side == "inside":
        return _smooth(distance_to(~inside, radius) / (radius + 1))
    half = (radius + 1) // 2
    depth = distance_to(~inside, half) - distance_to(inside, half)
    return _smooth(0.5 + 0.5 * (depth - np.sign(depth) * 0.5) / (half + 0.5))


def _smooth(ramp: Strengths) -> Strengths:
    ramp = np.clip(ramp, 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)
