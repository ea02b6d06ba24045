"""Classifier-free guidance of a network that sees words and a picture: two scales (arXiv 2211.09800 eq. 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction

__all__ = ["InstructionGuidance"]


@dataclass
class InstructionGuidance(Guidance):
    """``neither + image_scale (image - neither) + scale (both - image)``, in one batched call.

    Branches whose weight is zero are not evaluated: the one without picture at image scale 1, the one without words
    at equal scales or words. Every shortcut is exact up to the rounding of a sum.

    Args:
        cond: The instruction; one row or one per sample.
        uncond: The empty or negative instruction.
        scale: Guidance weight of the words.
        picture: What the network sees beside the noise (1 or B, P, h, w).
        image_scale: Guidance weight of the picture: how close the result stays to it.
    """

    picture: Tensor = field(kw_only=True)
    image_scale: float = 1.0

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each branch, those of weight 0 left out; their sum is 1."""
        words = 0.0 if super().names == ("cond",) and self.scale != 1 else self.scale
        weights = {"cond": words, "image": self.image_scale - words, "uncond": 1.0 - self.image_scale}
        return {name: weight for name, weight in weights.items() if weight != 0}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the branches this guidance evaluates."""
        return tuple(self.weights)

    @property
    def planned(self) -> list[Branch]:
        """The branches, in the order in which they are batched."""
        nothing = torch.zeros_like(self.picture)
        conditioning = {
            "cond": _shown(self.cond, self.picture),
            "image": _shown(self.uncond, self.picture),
            "uncond": _shown(self.uncond, nothing),
        }
        return [Branch(name, conditioning[name]) for name in self.names]

    def combine(self, predictions: Mapping[str, Prediction]) -> Prediction:
        """Return the guided prediction, given that of each of :attr:`names`."""
        weights = self.weights
        if len(weights) == 1:
            return predictions[next(iter(weights))]
        terms = [(weight, predictions[name]) for name, weight in weights.items()]
        x0 = torch.stack([weight * prediction.x0 for weight, prediction in terms]).sum(0)
        eps = torch.stack([weight * prediction.eps for weight, prediction in terms]).sum(0)
        return Prediction(x0, eps)


def _shown(cond: Conditioning, picture: Tensor) -> Conditioning:
    """The conditioning with a picture, in as many rows as the larger of both."""
    rows = max(cond.batch, picture.shape[0])
    return replace(cond.expand(rows), picture=picture.expand(rows, *picture.shape[1:]))
