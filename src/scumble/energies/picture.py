"""Likeness to a picture, and colour, inside a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from scumble.energies.protocol import Energy, Needs, Observation

__all__ = ["Colour", "Likeness"]


@dataclass
class Likeness(Energy):
    """Mean squared difference to a tensor inside a mask.

    Args:
        wanted: What to be like: (1 or B, C, h, w) in the model's space, or (1 or B, 3, H, W) with ``of="picture"``.
        mask: Where, with a weight for every cell (1 or B, 1, h, w); None: everywhere.
        of: The prediction in the model's space, or the decoded picture.
    """

    wanted: Tensor
    mask: Tensor | None = None
    of: Literal["x0", "picture"] = "x0"

    @property
    def reads(self) -> Needs:
        """The prediction."""
        return Needs(prediction=True)

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """Weighted mean of the squared difference; 0 where the mask is empty."""
        found = seen.clean if self.of == "x0" else seen.picture
        apart = (found - self.wanted.to(found)).square().mean(1, keepdim=True)
        return _masked_mean(apart, self.mask)


@dataclass
class Colour(Energy):
    """Mean squared difference of the picture to one colour inside a mask; or of its mean colour alone.

    Args:
        rgb: The colour, each part in [-1, 1].
        mask: Where (1 or B, 1, H, W) at the picture's size; None: everywhere.
        mean: Compare the mean colour of the region, so that light and shade stay.
    """

    rgb: tuple[float, float, float]
    mask: Tensor | None = None
    mean: bool = True

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """0 where the region has the colour."""
        picture = seen.picture
        rgb = torch.tensor(self.rgb, dtype=picture.dtype, device=picture.device).reshape(1, 3, 1, 1)
        if not self.mean:
            return _masked_mean((picture - rgb).square().mean(1, keepdim=True), self.mask)
        parts = [_masked_mean(picture[:, c : c + 1] - rgb[:, c : c + 1], self.mask) for c in range(3)]
        return torch.stack(parts, 1).square().mean(1)


def _masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return values.mean((1, 2, 3))
    weight = mask.to(values).expand(values.shape[0], -1, -1, -1)
    return (values * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-8)
