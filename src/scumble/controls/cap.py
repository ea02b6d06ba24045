"""A limit for what guidance adds to a step."""

from __future__ import annotations

from math import inf

from torch import Tensor

__all__ = ["limit_norm"]


def limit_norm(shift: Tensor, noise: Tensor, cap: float | None, exactly: bool = False, most: float = inf) -> Tensor:
    """Return a shift (B, …) of at most ``cap`` times the noise (B, …), both root mean square, each sample by itself.

    Args:
        shift: What is to be limited.
        noise: What it is compared with.
        cap: None is no limit.
        exactly: Bring a smaller one to that size too.
        most: Largest factor of ``exactly``; a shift that needs a larger one is rounding noise, and fades with the
            fourth power of how much larger it would have to be.
    """
    if cap is None:
        return shift
    axes = tuple(range(1, shift.dim()))
    size, limit = (t.square().mean(axes, keepdim=True).sqrt() for t in (shift, noise))
    factor = cap * limit / size.clamp_min(1e-20)
    if not exactly:
        return shift * factor.clamp(max=1.0)
    return shift * factor * (most / factor).clamp(max=1.0) ** 4
