"""Structure, style and meaning as a vision transformer sees them (arXiv 2209.15264 section 3; 2201.00424)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.energies.protocol import Energy, Needs, Observation, per_sample
from scumble.models.vision import VisionFeatures

__all__ = ["Vit", "VitDivergence", "VitStructure", "VitStyle", "contrast", "likeness_of_keys", "self_similarity"]

TEMPERATURE = 0.07

Extract = Callable[[Tensor], VisionFeatures]


def contrast(keys: Tensor, source: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Cross entropy of finding each key's own place among all of the source's (B, T), arXiv 2209.15264 eq. 7.

    Args:
        keys: Keys of the picture (B, T, D).
        source: Keys of the source (1 or B, T, D); no gradient.
        temperature: Of the softmax.
    """
    own = keys / keys.norm(dim=-1, keepdim=True)
    other = source.detach() / source.detach().norm(dim=-1, keepdim=True)
    logits = own @ other.transpose(-1, -2) / temperature
    places = torch.arange(keys.shape[1], device=keys.device).expand(keys.shape[0], -1)
    return F.cross_entropy(logits.transpose(1, 2), places, reduction="none")


def self_similarity(keys: Tensor) -> Tensor:
    """Cosines of all pairs of keys (B, T, T), arXiv 2201.00424 eq. 2."""
    length = keys.norm(dim=-1, keepdim=True)
    return keys @ keys.transpose(-1, -2) / (length @ length.transpose(-1, -2)).clamp_min(1e-8)


def likeness_of_keys(keys: Tensor, source: Tensor) -> Tensor:
    """Mean squared difference of the self-similarities (B,)."""
    return per_sample((self_similarity(keys) - self_similarity(source.detach())).square())


@dataclass
class Vit:
    """One vision transformer for several energies: each picture of a step goes through it once.

    Args:
        extract: Pictures (B, 3, H, W) in [-1, 1] to their keys and their token for the whole.
    """

    extract: Extract
    _picture: Tensor | None = None
    _found: VisionFeatures | None = None

    def __call__(self, picture: Tensor) -> VisionFeatures:
        """Return the features, with their graph where the picture has one."""
        if self._found is None or self._picture is not picture:
            self._picture, self._found = picture, self.extract(picture)
        return self._found


@dataclass
class OfVit(Energy):
    """Base of energies of a vision transformer.

    Args:
        vit: The transformer, shared by all of them.
        wanted: What is compared with.
    """

    vit: Vit
    wanted: VisionFeatures

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)


@dataclass
class VitStructure(OfVit):
    """Keep the layout of a picture: its keys stay tellable apart (``contrast``), or alike (``similarity``)."""

    kind: Literal["contrast", "similarity"] = "similarity"

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """Low where every place has the structure of the wanted picture."""
        keys = self.vit(seen.picture).keys
        if self.kind == "similarity":
            return likeness_of_keys(keys, self.wanted.keys)
        return per_sample(contrast(keys, self.wanted.keys))


@dataclass
class VitStyle(OfVit):
    """Take the meaning and look of a picture: mean squared difference of the tokens that stand for the whole."""

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """0 where the tokens agree."""
        return per_sample((self.vit(seen.picture).whole - self.wanted.whole.detach()).square())


@dataclass
class VitDivergence(OfVit):
    """Move on from where the last step was: minus the squared difference of the whole-picture tokens.

    ``wanted`` is what the first step is compared with; a new visit of a run's first step begins there again.
    """

    previous: Tensor | None = None

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """At most 0."""
        whole = self.vit(seen.picture).whole
        before = self.wanted.whole if self.previous is None else self.previous
        self.previous = whole.detach()
        return -per_sample((whole - before.detach()).square())
