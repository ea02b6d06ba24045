"""Frequency-decoupled guidance: full for detail, less for layout and color (arXiv 2506.19713 algorithm 1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.guiders.base import Guider, Scale
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level

__all__ = ["Frequency"]


class Frequency(Guider):
    """Two levels of a Laplacian pyramid, each with its scale. The pyramid is linear, so only the difference is split.

    Args:
        low: Share of the guidance scale that the low frequencies get; the paper's example is half.
    """

    def __init__(self, low: float = 0.5) -> None:
        self.low = low

    def combine(self, uncond: Prediction, cond: Prediction, scale: Scale, level: Level) -> Prediction:
        """Guide both halves of the prediction alike."""
        x0 = uncond.x0 + scale * self.split(cond.x0 - uncond.x0)
        return Prediction(x0, uncond.eps + scale * self.split(cond.eps - uncond.eps), cond.variance)

    def split(self, difference: Tensor) -> Tensor:
        """Return a difference (B, C, H, W) with its low frequencies weakened."""
        half = F.interpolate(_blurred(difference), scale_factor=0.5, mode="bilinear", align_corners=False)
        smooth = _blurred(F.interpolate(half, difference.shape[-2:], mode="bilinear", align_corners=False))
        return difference - (1 - self.low) * smooth


def _blurred(x: Tensor) -> Tensor:
    """Blur by the binomial filter of five taps in both directions, reflected at the border."""
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=x.device, dtype=x.dtype) / 16
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=x.shape[1])
