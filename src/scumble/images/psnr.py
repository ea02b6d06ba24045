"""Peak signal-to-noise ratio: how near two pictures are, in decibels."""

from __future__ import annotations

import math

from torch import Tensor

__all__ = ["decibels", "psnr"]

LIMIT = 100.0


def psnr(one: Tensor, two: Tensor, peak: float = 1.0, limit: float = LIMIT) -> float:
    """Return the PSNR of two tensors of one shape.

    Args:
        one: Values of a picture.
        two: Values of the other.
        peak: Range of the values: 1 for [0, 1], 2 for [-1, 1], 255 for 8-bit steps.
        limit: What equal pictures count, in dB.
    """
    return decibels(float((one.double() - two.double()).square().mean()), peak, limit)


def decibels(error: float, peak: float = 1.0, limit: float = LIMIT) -> float:
    """Return the PSNR of a mean squared error, at most ``limit``; NaN stays NaN."""
    if math.isnan(error):
        return math.nan
    return limit if error <= 0 else min(limit, 10 * math.log10(peak**2 / error))
