"""Losses of CLIP-guided diffusion: words inside a mask, values in range, a background that stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.noise import NoiseSource
from scumble.energies.augment import draw_views, uniform, warp
from scumble.models.clip import ClipScorer, spherical_distance, squared

__all__ = ["BackgroundTerm", "ClipTerm", "RangeTerm", "masked"]

Of = Literal["x0", "mixed"]


def masked(pictures: Tensor, mask: Tensor, outside: float = 0.0) -> Tensor:
    """Return pictures (B, 3, H, W) with ``outside`` (0 is mid-grey) where the mask (1 or B, 1, H, W) is false."""
    return torch.where(mask, pictures, torch.full_like(pictures, outside))


@dataclass
class ClipTerm:
    """Distance of the masked region to the words, mean over augmented views (arXiv 2111.14818 eq. 1, section 4.3).

    The views are computed in parts of ``limit`` pictures whose gradients are added up at the picture: the same
    gradient as in one batch, in less memory.

    Args:
        scorer: The CLIP.
        text: Unit features of the words (1 or B, D).
        mask: Where the region is (1 or B, 1, H, W), boolean.
        weight: Multiplies the loss.
        copies: Views per sample, the plain one included.
        limit: Pictures that go through the CLIP at once.
        of: Which picture is judged.
        view_noise: Largest standard deviation of noise on the views; each view draws its own (VQGAN-CLIP).
        around: What the CLIP sees outside the mask (1, 3, H, W); None: mid-grey.
    """

    scorer: ClipScorer
    text: Tensor
    mask: Tensor
    weight: float = 1000.0
    copies: int = 8
    limit: int = 64
    of: Of = "mixed"
    around: Tensor | None = None
    view_noise: float = 0.0

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum."""
        return self.at(picture, ctx.noise, ctx.i, ctx.tag)

    def at(self, picture: Tensor, noise: NoiseSource, step: int, tag: str = "") -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum under the views of a step."""
        batch = picture.shape[0]
        maps = draw_views(noise, batch, self.copies - 1, step, tag) if self.copies > 1 else None
        grain = self._grain(noise, batch, step, tag) if self.view_noise else None
        pairs = [(copy, sample) for copy in range(self.copies) for sample in range(batch)]
        loss, slope = torch.zeros(batch, device=picture.device), torch.zeros_like(picture)
        for start in range(0, len(pairs), self.limit):
            part = pairs[start : start + self.limit]
            plain = [sample for copy, sample in part if copy == 0]
            moved = [(copy - 1, sample) for copy, sample in part if copy > 0]
            with torch.enable_grad():
                leaf = picture.detach().requires_grad_(True)
                small = squared(self._shown(leaf), self.scorer.size)
                views = [small[plain]] if plain else []
                if moved and maps is not None:
                    own = maps[[copy for copy, _ in moved], [sample for _, sample in moved]]
                    views.append(warp(small[[sample for _, sample in moved]], own))
                samples = torch.tensor([sample for _, sample in part], device=picture.device)
                text = self.text.expand(batch, -1)[samples]
                joint = torch.cat(views)
                if grain is not None:
                    joint = joint + grain[[copy for copy, _ in part], samples]
                distance = spherical_distance(self.scorer.encode(joint), text)
                distance = distance * (self.weight / self.copies)
                slope += torch.autograd.grad(distance.sum(), leaf)[0]
            loss.index_add_(0, samples, distance.detach())
        return loss, slope

    def _grain(self, noise: NoiseSource, batch: int, step: int, tag: str) -> Tensor:
        """Noise (copies, B, 3, size, size), each view's with a standard deviation of its own."""
        size, drawn = (3, self.scorer.size, self.scorer.size), []
        for copy in range(self.copies):
            level = uniform(noise, (batch, 1, 1, 1), f"{tag}grain-level{copy}", step).float() * self.view_noise
            drawn.append(level * noise.normal((batch, *size), f"{tag}grain{copy}", step))
        return torch.stack(drawn).to(self.mask.device)

    def _shown(self, picture: Tensor) -> Tensor:
        return masked(picture, self.mask) if self.around is None else torch.where(self.mask, picture, self.around)


@dataclass
class RangeTerm:
    """Mean squared excess of the prediction beyond [-1, 1], of each sample.

    Args:
        weight: Multiplies the loss.
        of: Which picture is judged.
    """

    weight: float = 50.0
    of: Of = "x0"

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum, in closed form."""
        excess = picture - picture.clamp(-1, 1)
        loss = self.weight * excess.square().mean(dim=(1, 2, 3))
        return loss, 2 * self.weight * excess / excess[0].numel()


@dataclass
class BackgroundTerm:
    """Squared and perceptual distance to the source outside the mask (arXiv 2111.14818 eq. 2).

    Args:
        source: The picture to stay near (1, 3, H, W) in [-1, 1]; 0 inside the mask, unless the published code's
            comparison with the whole picture is wanted.
        mask: Where it may change (1 or B, 1, H, W), boolean.
        squares: Weight of the mean squared difference.
        perception: Weight of the perceptual distance.
        distance: Perceptual distance of pictures (B, 3, H, W) to the source, one value per sample, or None.
        absolute: Take absolute differences, averaged over what is outside, instead of squares over the whole picture.
        over_batch: Divide the squares by the batch too, as published: then samples are not independent.
        of: Which picture is judged.
    """

    source: Tensor
    mask: Tensor
    squares: float = 500.0
    perception: float = 500.0
    distance: Callable[[Tensor], Tensor] | None = None
    absolute: bool = False
    over_batch: bool = False
    of: Of = "mixed"

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum."""
        return self.slope(picture)

    def slope(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum."""
        with torch.enable_grad():
            leaf = picture.detach().requires_grad_(True)
            kept = masked(leaf, ~self.mask)
            apart = kept - self.source
            if self.absolute:
                area = (~self.mask).float().sum(dim=(1, 2, 3)).clamp_min(1) * apart.shape[1]
                loss = self.squares * apart.abs().sum(dim=(1, 2, 3)) / area
            else:
                loss = self.squares * apart.square().mean(dim=(1, 2, 3))
            if self.over_batch:
                loss = loss / picture.shape[0]
            if self.distance is not None and self.perception:
                loss = loss + self.perception * self.distance(kept)
            return loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]
