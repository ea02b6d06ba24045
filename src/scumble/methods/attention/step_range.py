"""A part of a run, given in shares of it."""

from __future__ import annotations

import math

from scumble.core.rounding import SLACK

__all__ = ["Window", "window_steps"]

Window = float | tuple[float, float]
"""Part of a run: a fraction from its beginning, or from one fraction to another."""


def window_steps(window: Window, steps: int, slack: float = SLACK) -> range:
    """Steps ``floor(start N)`` to ``floor(end N) - 1``; ``slack`` forgives rounding (0.58 * 50 is 28.99…)."""
    start, end = window if isinstance(window, tuple) else (0.0, window)
    return range(math.floor(start * steps + slack), min(math.floor(end * steps + slack), steps))
