"""What an edit changed, as a picture: brighter is more, over the dimmed source, with the border of what was free."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

__all__ = ["heat_map"]

STOPS = np.array(
    [[24, 24, 26], [60, 30, 90], [150, 40, 110], [235, 90, 60], [255, 190, 60], [255, 250, 210]], np.float32
)
"""From no change to the largest, ordered by lightness, so that it is read without color too."""


def heat_map(before: Path, after: Path, strengths: npt.NDArray[np.uint8] | None) -> bytes:
    """Return a PNG of the largest difference of any channel at each pixel."""
    with Image.open(before) as image:
        first = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.int16)
    with Image.open(after) as image:
        second = np.asarray(image.convert("RGB"), np.int16)
    difference = np.abs(first - second).max(axis=2).astype(np.float32)
    share = np.sqrt(difference / 255.0) * (len(STOPS) - 1)
    low = np.minimum(share.astype(np.int64), len(STOPS) - 2)
    part = (share - low)[..., None]
    heat = STOPS[low] * (1 - part) + STOPS[low + 1] * part
    ground = first.mean(axis=2, keepdims=True) * 0.22
    pixels = np.where(difference[..., None] > 0, heat, ground)
    if strengths is not None:
        free = strengths > 0
        edge = free & ~(np.roll(free, 1, 0) & np.roll(free, -1, 0) & np.roll(free, 1, 1) & np.roll(free, -1, 1))
        pixels[edge] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
