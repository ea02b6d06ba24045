"""Maps from other maps: levels, and putting several together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from PIL import Image

from scumble.errors import InputError, nearest
from scumble.maps.canvas import MapLike, as_strengths, to_grey

__all__ = ["Combination", "combine", "levels"]

Combination = Literal["max", "min", "multiply", "add"]


def levels(
    source: MapLike, black: float = 0.0, white: float = 1.0, gamma: float = 1.0, invert: bool = False
) -> Image.Image:
    """Stretch a map: ``black`` becomes 0, ``white`` becomes 1.

    Args:
        source: A map: image, array (H, W) in [0, 1] or of bytes, or a file; white = change.
        black: Strength that becomes 0, in [0, 1).
        white: Strength that becomes 1, above ``black``.
        gamma: Above 1 it lifts the middle, below 1 it lowers it; more than 0.
        invert: Whether 0 and 1 change places in the end.

    Returns:
        An 8-bit gray image of the map's size, white = change.

    Raises:
        InputError: if the map cannot be read, or a number lies outside its range.
    """
    if not 0.0 <= black < white <= 1.0:
        raise InputError(f"black must be less than white, both from 0 to 1, got {black:g} and {white:g}")
    if not gamma > 0.0:
        raise InputError(f"gamma must be more than 0, got {gamma:g}")
    stretched = np.clip((as_strengths(source) - black) / (white - black), 0.0, 1.0) ** (1.0 / gamma)
    return to_grey(1.0 - stretched if invert else stretched)


def combine(maps: Sequence[MapLike], how: Combination = "max") -> Image.Image:
    """Put maps of one size together, pixel by pixel.

    Args:
        maps: One or more; each as :func:`levels` takes it.
        how: ``max``, ``min``, ``multiply``, or ``add``, whose sum is cut at 1.

    Returns:
        An 8-bit gray image of the maps' size, white = change.

    Raises:
        InputError: if there are none, their sizes differ, or ``how`` is another word.
    """
    if how not in get_args(Combination):
        raise InputError(
            f"{how!r} is not one of {', '.join(get_args(Combination))}{nearest(how, get_args(Combination))}"
        )
    if not maps:
        raise InputError("there are no maps to combine")
    planes = [as_strengths(one) for one in maps]
    if len({plane.shape for plane in planes}) > 1:
        sizes = ", ".join(f"{plane.shape[1]}x{plane.shape[0]}" for plane in planes)
        raise InputError(f"maps to combine must have one size, got {sizes}")
    together = {"max": np.maximum, "min": np.minimum, "multiply": np.multiply, "add": np.add}[how]
    whole = planes[0]
    for plane in planes[1:]:
        whole = together(whole, plane)
    return to_grey(whole)
