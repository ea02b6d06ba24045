"""A limit for what guidance adds to a step."""

from __future__ import annotations

from torch import Tensor

__all__ = ["limit_norm"]


def limit_norm(shift: Tensor, noise: Tensor, cap: float | None, exactly: bool = False) -> Tensor:
    """Return a shift (B, …) of at most ``cap`` times the noise (B, …), both root mean square, each sample by itself.

    With ``exactly`` a smaller one is brought to that size too; None is no limit.
    """
    if cap is None:
        return shift
    axes = tuple(range(1, shift.dim()))
    size, limit = (t.square().mean(axes, keepdim=True).sqrt() for t in (shift, noise))
    factor = cap * limit / size.clamp_min(1e-20)
    return shift * (factor if exactly else factor.clamp(max=1.0))
