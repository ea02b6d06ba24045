"""Energies of how a word's object looks: its features, its color."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.energies.attention_maps import SMALL, hard_shape, soft_shape
from scumble.energies.protocol import Needs, Observation, distance
from scumble.energies.words import LikeSource

__all__ = ["Appearance", "Tint"]


@dataclass
class Appearance(LikeSource):
    """Give the words the source's look: the mean of a decoder's features over the silhouette.

    Args:
        features: Path of the module whose output is averaged.
        hard: Average over the hard silhouette, as published.
    """

    features: str = ""
    hard: bool = True

    @property
    def reads(self) -> Needs:
        """Attention and one module's output."""
        return Needs(attention=self.sites, features=(self.features,))

    def measure(self, observation: Observation) -> Tensor:
        """Looks of the source (B, tokens, C')."""
        return self._looks(self.theirs(observation)[-1], observation.features[self.features])

    def _looks(self, maps: Tensor, psi: Tensor) -> Tensor:
        return _mean_inside((hard_shape if self.hard else soft_shape)(maps.detach()), psi)

    def compare(self, observation: Observation, origin: Tensor) -> Tensor:
        """``mean |look - look_source|``; the silhouette itself carries no gradient."""
        appearance = self._looks(self.own(observation)[-1], observation.features[self.features])
        if appearance.shape[1] != origin.shape[1]:
            appearance, origin = appearance.mean(1, keepdim=True), origin.mean(1, keepdim=True)
        return distance(appearance, origin.expand_as(appearance), self.squared, self.smooth)


@dataclass
class Tint(LikeSource):
    """Give the words the source's colour: the mean of the predicted picture over the silhouette.

    Not in the paper. The features of a small decoder hold size and shading, and hardly the colour.
    """

    @property
    def reads(self) -> Needs:
        """Attention and the prediction."""
        return Needs(attention=self.sites, prediction=True)

    def measure(self, observation: Observation) -> Tensor:
        """Mean colour of the source (B, 3)."""
        return _mean_inside(hard_shape(self.theirs(observation)[-1]), observation.picture).mean(1)

    def compare(self, observation: Observation, origin: Tensor) -> Tensor:
        """``mean |colour - colour_source|``; the silhouette itself carries no gradient."""
        tint = _mean_inside(hard_shape(self.own(observation)[-1].detach()), observation.picture).mean(1)
        return distance(tint, origin.expand_as(tint), self.squared, self.smooth)


def _mean_inside(where: Tensor, psi: Tensor) -> Tensor:
    """Mean of psi (B, C, h', w') over each silhouette (B, K, h, w): (B, K, C)."""
    where = F.interpolate(where, psi.shape[-2:], mode="bilinear", antialias=True, align_corners=False)
    return torch.einsum("bkhw,bchw->bkc", where, psi) / (where.sum((-2, -1)) + SMALL).unsqueeze(-1)
