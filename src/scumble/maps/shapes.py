"""Maps that are drawn: ramps, strips, fans, boxes and ellipses. Places are in pixels, angles in degrees."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from scumble.errors import InputError
from scumble.maps.canvas import Mask, Size, Strengths, check_size, check_strengths, to_grey
from scumble.maps.soften import soften

__all__ = ["box", "ellipse", "linear", "radial", "strength_fan", "strips"]


def linear(
    size: Size, angle: float = 0.0, start: float = 0.0, end: float = 1.0, low: float = 0.0, high: float = 1.0
) -> Image.Image:
    """Make a ramp from strength ``low`` to ``high``.

    Args:
        size: (width, height) in pixels.
        angle: Direction in degrees: 0 goes from left to right, 90 from top to bottom.
        start: Where the ramp begins, as a part of the way from the first corner (0) to the last (1). Beyond ``end`` it
            turns the ramp round; equal to it, it makes a step.
        end: Where it ends.
        low: Strength at the beginning, in [0, 1].
        high: Strength at the end, in [0, 1].

    Returns:
        An 8-bit gray image of that size, white = change.

    Raises:
        InputError: if the size has no pixels or a strength lies outside [0, 1].
    """
    check_strengths(low=low, high=high)
    along = _along(size, angle, from_center_of_pixels=True)
    way = end - start
    ramp = np.clip((along - start) / way, 0.0, 1.0) if way else (along >= start).astype(np.float64)
    return to_grey(low + (high - low) * ramp)


def radial(
    size: Size,
    center: tuple[float, float] | None = None,
    radius: float | None = None,
    inner: float = 0.0,
    low: float = 0.0,
    high: float = 1.0,
) -> Image.Image:
    """Make a disc of strength ``high`` up to the radius ``inner``, falling evenly to ``low`` at ``radius``.

    Args:
        size: (width, height) in pixels.
        center: (x, y) in pixels; the image's when not given.
        radius: Where it has faded to ``low``, in pixels; half the shorter side when not given.
        inner: Up to this radius, in pixels, the strength is ``high``.
        low: Strength outside, in [0, 1].
        high: Strength at the center, in [0, 1].

    Returns:
        An 8-bit gray image of that size, white = change.

    Raises:
        InputError: if ``radius`` is not above ``inner``, or a strength lies outside [0, 1].
    """
    check_strengths(low=low, high=high)
    radius = min(size) / 2 if radius is None else radius
    if not 0.0 <= inner < radius:
        raise InputError(f"radius must be more than inner, which must be 0 or more; got {radius:g} and {inner:g}")
    x, y = _offsets(size, center)
    fall = np.clip((np.hypot(x, y) - inner) / (radius - inner), 0.0, 1.0)
    return to_grey(high + (low - high) * fall)


def strips(size: Size, count: int = 5, low: float = 0.0, high: float = 1.0, angle: float = 0.0) -> Image.Image:
    """Make ``count`` equal strips of even steps of strength.

    Args:
        size: (width, height) in pixels.
        count: Number of strips, 1 or more.
        low: Strength of the first, in [0, 1].
        high: Strength of the last, in [0, 1].
        angle: Direction in degrees, as in :func:`linear`.

    Returns:
        An 8-bit gray image of that size, white = change.

    Raises:
        InputError: if there is no strip, or a strength lies outside [0, 1].
    """
    check_strengths(low=low, high=high)
    steps = _steps(count, low, high)
    which = np.floor(_along(size, angle) * count).astype(int)
    return to_grey(steps[np.clip(which, 0, count - 1)])


def strength_fan(
    size: Size,
    count: int = 8,
    center: tuple[float, float] | None = None,
    low: float = 0.0,
    high: float = 1.0,
    start: float = -90.0,
    sweep: float = 360.0,
    radius: float | None = None,
) -> Image.Image:
    """Make sectors of growing strength around a center: one picture shows what each strength does to it.

    The strength fan of Differential Diffusion (arXiv 2306.00950).

    Args:
        size: (width, height) in pixels.
        count: Number of sectors, 1 or more.
        center: (x, y) in pixels; the image's when not given.
        low: Strength of the first sector, in [0, 1].
        high: Strength of the last, in [0, 1].
        start: Angle in degrees at which they begin; -90 is up. They go clockwise.
        sweep: Degrees that they fill; outside of them nothing changes.
        radius: Pixels beyond which nothing changes; without it there is no limit.

    Returns:
        An 8-bit gray image of that size, white = change.

    Raises:
        InputError: if there is no sector, the sweep or radius is not positive, or a strength lies outside [0, 1].
    """
    check_strengths(low=low, high=high)
    if not 0.0 < sweep <= 360.0:
        raise InputError(f"sweep must be more than 0 and at most 360 degrees, got {sweep:g}")
    steps = _steps(count, low, high)
    x, y = _offsets(size, center)
    turned = (np.degrees(np.arctan2(y, x)) - start) % 360.0
    fan = steps[np.clip((turned / sweep * count).astype(int), 0, count - 1)]
    outside = turned >= sweep if sweep < 360.0 else np.zeros(fan.shape, bool)
    if radius is not None:
        outside |= np.hypot(x, y) > radius
    return to_grey(np.where(outside, 0.0, fan))


def box(
    size: Size, left: float, top: float, right: float, bottom: float, soft: int = 0, strength: float = 1.0
) -> Image.Image:
    """Make a rectangle.

    Args:
        size: (width, height) in pixels.
        left: Left side in pixels; a pixel is inside if its center is.
        top: Top side.
        right: Right side.
        bottom: Bottom side.
        soft: Pixels around it over which it fades out smoothly.
        strength: Strength inside, in [0, 1].

    Returns:
        An 8-bit gray image of that size, white = change.

    Raises:
        InputError: if no pixel's center is in it, or the strength lies outside [0, 1].
    """
    _check_corners(left, top, right, bottom)
    x, y = _offsets(size, (0.0, 0.0))
    return _filled((x > left) & (x < right) & (y > top) & (y < bottom), soft, strength)


def ellipse(
    size: Size, left: float, top: float, right: float, bottom: float, soft: int = 0, strength: float = 1.0
) -> Image.Image:
    """Make the ellipse that fills a box.

    Args:
        size: (width, height) in pixels.
        left: Left side of the box in pixels; a pixel is inside if its center is.
        top: Top side.
        right: Right side.
        bottom: Bottom side.
        soft: Pixels around the ellipse over which it fades out smoothly.
        strength: Strength inside, in [0, 1].

    Returns:
        An 8-bit gray image of that size, white = change.

    Raises:
        InputError: if no pixel's center is in it, or the strength lies outside [0, 1].
    """
    _check_corners(left, top, right, bottom)
    x, y = _offsets(size, ((left + right) / 2, (top + bottom) / 2))
    return _filled((2 * x / (right - left)) ** 2 + (2 * y / (bottom - top)) ** 2 <= 1.0, soft, strength)


def _filled(inside: Mask, soft: int, strength: float) -> Image.Image:
    check_strengths(strength=strength)
    if not inside.any():
        height, width = inside.shape
        raise InputError(f"the shape covers no pixel of the {width}x{height} picture")
    return to_grey(strength * soften(inside, soft, "outside"))


def _check_corners(left: float, top: float, right: float, bottom: float) -> None:
    if not (left < right and top < bottom):
        raise InputError(f"left must be less than right and top less than bottom, got {left} {top} {right} {bottom}")


def _steps(count: int, low: float, high: float) -> Strengths:
    if count < 1:
        raise InputError(f"count must be 1 or more, got {count}")
    return np.linspace(low, high, count) if count > 1 else np.array([high])


def _offsets(size: Size, center: tuple[float, float] | None) -> tuple[Strengths, Strengths]:
    """Vectors (H,W) from ``center`` to the middle of each pixel."""
    width, height = check_size(size)
    across, down = (width / 2, height / 2) if center is None else center
    y, x = np.mgrid[0:height, 0:width]
    return x + 0.5 - across, y + 0.5 - down


def _along(size: Size, angle: float, from_center_of_pixels: bool = False) -> Strengths:
    """How far each pixel is along the angle, from 0 to 1 at the picture's corners or at its corner pixels' centres."""
    x, y = _offsets(size, None)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    less = 1 if from_center_of_pixels else 0
    way = (size[0] - less) * abs(cos) + (size[1] - less) * abs(sin)
    # Rounded, so that a cosine of 6e-17 does not decide on which side of an edge a pixel lies.
    return np.round((x * cos + y * sin) / way + 0.5 if way > 1e-9 else np.full(x.shape, 0.5), 9)
