"""The window around a region: as much context as the model can take at the picture's own scale."""

from __future__ import annotations

import math

from scumble.errors import InputError
from scumble.images.fit import LONGEST, NEAR_NATIVE
from scumble.images.window import Box, Window

__all__ = ["CONTEXTS", "region"]

CONTEXTS = tuple(k / 32 for k in range(16, 3, -1))
"""Shares of context that are tried when none is given, from 0.5 down to 0.125."""
AREA = 1.5
"""Most pixels that a window has at the model's size, in units of the trained side squared."""
MOST_CONTEXT = 4.0


def region(
    size: tuple[int, int],
    box: Box,
    multiple: int = 1,
    native: int = 64,
    context: float | None = None,
    comfort: float = AREA,
) -> Window:
    """Choose the window around a box of the picture.

    The box gets context, and grows to the model's native size where the picture has the pixels: then nothing is
    scaled. Only what is larger than ``AREA`` is scaled down, both axes alike, and nothing is ever scaled up. A window
    that would reach beyond the picture is shifted inside.

    Args:
        size: (width, height) of the picture.
        box: What the window must hold.
        multiple: Sides at the model's size must be multiples of this.
        native: Side of the pictures that the model was trained on, or the short side that is wanted.
        context: Pixels added on each side of the box, as a share of its mean side; None: the most of 0.5 to 0.125
            with which nothing is scaled.
        comfort: Up to how many pixels context makes a window larger, in units of the trained side squared.

    Raises:
        InputError: If the box is empty or leaves the picture, or the context is not from 0 to 4.
    """
    left, top, right, bottom = box
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise InputError(f"the region {left},{top}-{right},{bottom} does not lie in the picture of {size[0]}x{size[1]}")
    if context is not None and not 0.0 <= context <= MOST_CONTEXT:
        raise InputError(f"context must be from 0 to {MOST_CONTEXT:g} (a share of the region's size), got {context:g}")
    sides = (right - left, bottom - top)
    area, longest = AREA * native * native, LONGEST * native
    share, wanted = 0.0, (0, 0)
    shares = CONTEXTS if context is None else (context,)
    for share in shares:
        wanted = _with_context(size, sides, share, multiple, native)
        most = area if share == shares[-1] else min(area, comfort * native * native)
        if wanted[0] * wanted[1] <= most and max(wanted) <= longest:
            cut, scaled, inner = _unscaled(size, sides, wanted, multiple, native)
            break
    else:
        cut, scaled, inner = _scaled_down(size, wanted, multiple, area, longest)
    corner = [_placed(box[k], box[k + 2], cut[k], size[k]) for k in (0, 1)]
    window = (corner[0], corner[1], corner[0] + cut[0], corner[1] + cut[1])
    return Window(size, scaled, inner, window, share)


Pair = tuple[int, int]


def _with_context(size: Pair, sides: Pair, share: float, multiple: int, native: int) -> Pair:
    """The sides with context, cut at the picture, and no thinner than the lower end of what is near native."""
    margin = max(math.ceil(share * sum(sides) / 2), multiple)
    least = NEAR_NATIVE[0] * native
    width, height = (max(min(sides[k] + 2 * margin, size[k]), min(math.ceil(least), size[k])) for k in (0, 1))
    return width, height


def _unscaled(size: Pair, sides: Pair, wanted: Pair, multiple: int, native: int) -> tuple[Pair, Pair, Pair]:
    """Box, scaled and model size (each width, height) where nothing is scaled: grown to native, free context."""
    area = AREA * native * native
    width = max(wanted[0], min(native, int(area / wanted[1])))
    height = max(wanted[1], min(native, int(area / width)))
    cut, inner = [], []
    for k, side in enumerate((width, height)):
        full = -(-side // multiple) * multiple
        if full > size[k]:
            less = size[k] // multiple * multiple
            full, side = (
                (less, less) if less >= sides[k] + 2 * multiple else (-(-size[k] // multiple) * multiple, size[k])
            )
        else:
            side = full
        cut.append(side)
        inner.append(full)
    return (cut[0], cut[1]), (cut[0], cut[1]), (inner[0], inner[1])


def _scaled_down(size: Pair, wanted: Pair, multiple: int, area: float, longest: float) -> tuple[Pair, Pair, Pair]:
    """The same where the window is scaled down as far as needed; one scale for both axes."""
    least = max(math.sqrt(wanted[0] * wanted[1] / area), max(wanted) / longest)
    inner = [max(multiple, int(side / least / multiple) * multiple) for side in wanted]
    scale = max(1.0, wanted[0] / inner[0], wanted[1] / inner[1])
    cut, scaled = [], []
    for k in (0, 1):
        side, here = round(inner[k] * scale), inner[k]
        if side > size[k]:
            side, here = size[k], max(1, math.ceil(size[k] / scale - 1e-9))
            inner[k] = -(-here // multiple) * multiple
        cut.append(side)
        scaled.append(here)
    return (cut[0], cut[1]), (scaled[0], scaled[1]), (inner[0], inner[1])


def _placed(low: int, high: int, side: int, total: int) -> int:
    """Where a window of that side begins: centered on the box, inside the picture, with the box inside."""
    corner = min(max(round((low + high - side) / 2), 0), total - side)
    return min(max(corner, high - side), low)
