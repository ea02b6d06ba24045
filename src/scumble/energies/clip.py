"""Words and pictures as a CLIP sees them: nearness to a text, to a picture, or along a direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.energies.augment import draw_views, warp
from scumble.energies.protocol import Energy, Needs, Observation
from scumble.models.clip import ClipScorer, spherical_distance, squared

__all__ = ["ClipDirection", "ClipNearness", "direction_energy"]


@dataclass
class ClipNearness(Energy):
    """Distance of the picture's features to given ones, those of a text or of another picture, mean over views.

    Args:
        scorer: The CLIP.
        wanted: Unit features (1 or B, D).
        copies: Views a sample is judged in, the plain one included; one alone is easily fooled.
        kind: Half the squared angle, or one minus the cosine.
        mask: Where to look (1 or B, 1, H, W), the rest is grey; None: everywhere.
    """

    scorer: ClipScorer
    wanted: Tensor
    copies: int = 4
    kind: Literal["angle", "cosine"] = "angle"
    mask: Tensor | None = None

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def features(self, seen: Observation) -> Tensor:
        """Unit features of all views (copies, B, D)."""
        picture = seen.picture if self.mask is None else torch.where(self.mask > 0, seen.picture, 0.0)
        small, batch = squared(picture, self.scorer.size), picture.shape[0]
        views = [small]
        if self.copies > 1:
            maps = draw_views(seen.ctx.noise, batch, self.copies - 1, seen.ctx.i, seen.ctx.tag)
            views += [warp(small, own) for own in maps]
        return self.scorer.encode(torch.cat(views)).unflatten(0, (self.copies, batch))

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """Mean distance over the views."""
        found = self.features(seen)
        if self.kind == "angle":
            return spherical_distance(found, self.wanted.to(found)).mean(0)
        return 1 - (found * self.wanted.to(found)).sum(-1).mean(0)


@dataclass
class ClipDirection(ClipNearness):
    """The picture changes as the words do: one minus the cosine of the two directions (arXiv 2108.00946 eq. 2).

    Args:
        start: Unit features of the picture as it was (1 or B, D); ``wanted`` is the direction of the words.
    """

    start: Tensor | None = None

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """0 where the picture moved along the words, 2 where against them."""
        assert self.start is not None
        return 1 - direction_energy(self.features(seen), self.start, self.wanted).mean(0)


def direction_energy(features: Tensor, start: Tensor, direction: Tensor) -> Tensor:
    """Cosine of ``features - start`` and a direction (…, D); 0 where nothing has moved."""
    return F.cosine_similarity(features - start.to(features), direction.to(features), dim=-1, eps=1e-7)
