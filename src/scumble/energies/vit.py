"""Structure, style and meaning as a vision transformer sees them (arXiv 2209.15264 section 3; 2201.00424)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.energies.known_gradient import with_gradient
from scumble.energies.protocol import Energy, Judged, Needs, Observation, per_sample
from scumble.models.vision import VisionFeatures

__all__ = ["VitEnergy", "contrast", "likeness_of_keys", "self_similarity"]

TEMPERATURE = 0.07

Extract = Callable[[Tensor], VisionFeatures]


def contrast(keys: Tensor, source: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Cross entropy of finding each key's own place among all of the source's (B, T), arXiv 2209.15264 eq. 7.

    Args:
        keys: Keys of the picture (B, T, D).
        source: Keys of the source (1 or B, T, D); no gradient.
        temperature: Of the softmax.
    """
    unit_keys = keys / keys.norm(dim=-1, keepdim=True)
    other = source.detach() / source.detach().norm(dim=-1, keepdim=True)
    logits = unit_keys @ other.transpose(-1, -2) / temperature
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
class VitEnergy(Energy):
    """Structure of the source, meaning of the target, and distance from the last step, in one pass of a transformer.

    Args:
        extract: Pictures (B, 3, H, W) in [-1, 1] to features.
        original: Features of the source (1 or B rows).
        target: Features of the picture whose look is wanted, or None.
        contrast: Weight of telling places apart as in the source.
        similarity: Weight of places being alike as in the source.
        divergence: Weight of moving on from the last step.
        style: Weight of the target's look.
        rest: Step from which on divergence rests.
        of: Which picture is judged.
    """

    extract: Extract
    original: VisionFeatures
    target: VisionFeatures | None = None
    contrast: float = 200.0
    similarity: float = 1000.0
    divergence: float = 100.0
    style: float = 2000.0
    rest: int = 0
    of: Judged = "mixed"
    _before: Tensor | None = None

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Return the weighted loss (B,); 0 with a gradient of 0 where all that has a weight rests."""
        picture = observation.judged(self.of)
        features = self.extract(picture)
        parts = self.parts(features)
        weights = {
            "similarity": self.similarity,
            "contrast": self.contrast,
            "divergence": self.divergence if observation.ctx.i < self.rest else 0.0,
            "style": self.style,
        }
        loss = torch.zeros(picture.shape[0], dtype=picture.dtype, device=picture.device)
        for name, value in parts.items():
            if weights[name]:
                loss = loss + weights[name] * value
        self._before = features.whole.detach()
        return loss if loss.requires_grad else with_gradient(picture, loss, torch.zeros_like(picture))

    def parts(self, features: VisionFeatures) -> dict[str, Tensor]:
        """Each loss by itself, without its weight (B,)."""
        before = self.original.whole if self._before is None else self._before
        parts = {
            "similarity": likeness_of_keys(features.keys, self.original.keys),
            "contrast": per_sample(contrast(features.keys, self.original.keys)),
            "divergence": -per_sample((features.whole - before.detach()).square()),
        }
        if self.target is not None:
            parts["style"] = per_sample((features.whole - self.target.whole.detach()).square())
        return parts
