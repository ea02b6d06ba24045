"""CFG-Zero*: the unconditional noise scaled to fit the conditional one best (arXiv 2503.18886 eq. 9).

The paper's other half, no movement in the first steps, is for flow models: there noise that is predicted as 0 stands
still, here it would be an image of pure noise. It is left out.
"""

from __future__ import annotations

from torch import Tensor

from scumble.core.guiders.base import NoiseRule, Scale

__all__ = ["ZeroStar"]


class ZeroStar(NoiseRule):
    """``eps = s eps_0 + w (eps_c - s eps_0)`` with ``s = <eps_c, eps_0> / |eps_0|^2``."""

    def rule(self, uncond: Tensor, cond: Tensor, scale: Scale) -> Tensor:
        """Scale, then guide."""
        axes = tuple(range(1, cond.dim()))
        fit = (cond * uncond).sum(axes, keepdim=True) / ((uncond**2).sum(axes, keepdim=True) + 1e-8)
        return fit * uncond + scale * (cond - fit * uncond)
