"""Run-length masks as PIE-Bench stores them: start, length, start, length, … over the pixels row by row."""

from __future__ import annotations

import numpy as np

from scumble.errors import InputError
from scumble_lab.bench.case import Mask

__all__ = ["checked_runs", "decode_rle"]


def checked_runs(given: object, height: int = 512, width: int = 512) -> list[int]:
    """Return the starts and lengths that a mask's JSON holds.

    Raises:
        InputError: if they are no whole numbers, do not come in pairs, are negative, or start beyond the picture.
    """
    if not isinstance(given, list) or not all(isinstance(x, int) and not isinstance(x, bool) for x in given):
        raise InputError("a run-length mask is a list of whole numbers")
    if len(given) % 2:
        raise InputError(f"a run-length mask is a list of starts and lengths in turn, got {len(given)} numbers")
    if any(x < 0 for x in given) or any(start >= height * width for start in given[::2]):
        raise InputError(f"a run of the mask lies outside the picture of {width}x{height} pixels")
    return given


def decode_rle(runs: list[int], height: int = 512, width: int = 512, border: bool = True) -> Mask:
    """Return the mask (H, W). The last run is cut at the picture's end.

    Args:
        runs: Start and length of each run, in turn.
        height: Of the picture.
        width: Of the picture.
        border: Set the outermost pixels to true, as the published evaluation does.

    Raises:
        InputError: see `checked_runs`.
    """
    values = checked_runs(runs, height, width)
    flat = np.zeros(height * width, dtype=bool)
    for start, length in zip(values[::2], values[1::2], strict=True):
        flat[start : start + length] = True
    mask = flat.reshape(height, width)
    if border:
        mask[[0, -1]] = True
        mask[:, [0, -1]] = True
    return mask
