"""The window that is the whole picture: scaled to about the size that the model was trained on."""

from __future__ import annotations

from typing import Literal, get_args

from scumble.errors import InputError, nearest
from scumble.images.window import Window

__all__ = ["LONGEST", "NEAR_NATIVE", "Fit", "FitMode", "fit"]

FitMode = Literal["auto", "pad", "resize"]

Fit = Window

NEAR_NATIVE = (0.75, 1.5)
"""Short sides, in units of the trained side, that need no resizing."""
LONGEST = 4.0
"""Cap on the long side, in units of the trained side."""


def fit(width: int, height: int, multiple: int = 1, native: int | None = None, mode: FitMode = "auto") -> Window:
    """Choose how a picture of this size goes through a model whose sides must be multiples of ``multiple``.

    ``native`` is the side of the pictures that the model was trained on. ``resize`` scales so that the shorter side
    is ``native`` (the longer at most four times that, unless the shorter would shrink below ``multiple``), keeping
    the aspect; ``pad`` never scales; ``auto`` scales only when the shorter side is outside 0.75 to 1.5 times
    ``native`` or the longer beyond four times. All modes pad.
    """
    if mode not in get_args(FitMode):
        raise InputError(f"{mode!r} is not one of {', '.join(get_args(FitMode))}{nearest(mode, get_args(FitMode))}")
    if min(width, height, multiple) < 1 or (native is not None and native < 1):
        raise InputError(f"sizes must be at least 1, got {width}x{height}, multiple {multiple}, native {native}")
    original = scaled = (width, height)
    if native is not None and mode != "pad":
        short, long = min(original) / native, max(original) / native
        fits = NEAR_NATIVE[0] <= short <= NEAR_NATIVE[1] and long <= LONGEST
        if mode == "resize" or not fits:
            scale = max(min(1.0 / short, LONGEST / long), min(1.0, multiple / min(original)))
            scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
    size = (-(-scaled[0] // multiple) * multiple, -(-scaled[1] // multiple) * multiple)
    return Window(original, scaled, size)
