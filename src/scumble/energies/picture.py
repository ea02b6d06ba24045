"""Energies of pixels: a color in a region, values in range, likeness to a picture, a background that stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.energies.known_gradient import with_gradient
from scumble.energies.protocol import Energy, Judged, Needs, Observation, per_sample

__all__ = ["Background", "Color", "PixelDistance", "RangeExcess"]


@dataclass
class RangeExcess(Energy):
    """Mean squared excess of the predicted picture beyond [-1, 1], of each sample.

    Args:
        weight: Multiplies the loss.
    """

    weight: float = 50.0

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Return the weighted loss (B,), its gradient in closed form."""
        picture = observation.picture
        excess = (picture - picture.clamp(-1, 1)).detach()
        loss = self.weight * excess.square().mean(dim=(1, 2, 3))
        return with_gradient(picture, loss, 2 * self.weight * excess / excess[0].numel())


@dataclass
class PixelDistance(Energy):
    """Mean squared difference to a picture.

    Args:
        wanted: The picture (1, 3, H, W) in [-1, 1].
        weight: Multiplies the loss.
        of: Which picture is judged.
    """

    wanted: Tensor
    weight: float = 3000.0
    of: Judged = "mixed"

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Return the weighted loss (B,), its gradient in closed form."""
        picture = observation.judged(self.of)
        difference = picture.detach() - self.wanted
        loss = self.weight * per_sample(difference.square())
        return with_gradient(picture, loss, 2 * self.weight * difference / difference[0].numel())


@dataclass
class Background(Energy):
    """Squared and perceptual distance to the source outside the mask (arXiv 2111.14818 eq. 2).

    Args:
        original: The picture to stay near (1, 3, H, W) in [-1, 1]; 0 inside the mask, unless the published code's
            comparison with the whole picture is wanted.
        mask: Where it may change (1 or B, 1, H, W), boolean.
        squares: Weight of the mean squared difference.
        perception: Weight of the perceptual distance.
        distance: Perceptual distance of pictures (B, 3, H, W) to the source, one value per sample, or None.
        absolute: Take absolute differences, averaged over what is outside, instead of squares over the whole picture.
        over_batch: Divide the squares by the batch too, as published: then samples are not independent.
        of: Which picture is judged.
    """

    original: Tensor
    mask: Tensor
    squares: float = 500.0
    perception: float = 500.0
    distance: Callable[[Tensor], Tensor] | None = None
    absolute: bool = False
    over_batch: bool = False
    of: Judged = "mixed"

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Return the weighted loss (B,)."""
        return self.loss(observation.judged(self.of))

    def loss(self, picture: Tensor) -> Tensor:
        """Return the weighted loss of a picture (B,)."""
        outside = torch.where(~self.mask, picture, torch.zeros_like(picture))
        difference = outside - self.original
        if self.absolute:
            area = (~self.mask).float().sum(dim=(1, 2, 3)).clamp_min(1) * difference.shape[1]
            loss = self.squares * difference.abs().sum(dim=(1, 2, 3)) / area
        else:
            loss = self.squares * difference.square().mean(dim=(1, 2, 3))
        if self.over_batch:
            loss = loss / picture.shape[0]
        if self.distance is not None and self.perception:
            loss = loss + self.perception * self.distance(outside)
        return loss


@dataclass
class Color(Energy):
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

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """0 where the region has the colour."""
        picture = observation.picture
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
