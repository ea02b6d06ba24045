"""The loss that trains a shift: a CLIP's directional loss on a picture's trajectory (arXiv 2210.10960 section 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from scumble.core.prediction import Prediction
from scumble.energies.clip import direction_energy
from scumble.methods.asyrp.trajectory import TrainStep

__all__ = ["DirectionLoss", "Loss"]

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class DirectionLoss:
    """The loss of a shifted image: changed along the text direction, otherwise near the original.

    Attributes:
        features: Unit features of pictures (B, 3, H, W).
        words: Unit direction of the words (1, D).
        cosine: Similarity of the two texts: pictures of nearly the same words are kept the nearer.
        clip: Weight of the direction.
        near: Weight of the mean absolute difference.
        kind: log: ``-log((1 + cos) / 2)`` against the picture itself, as the published code has it; plain:
            ``1 - cos`` against the unshifted prediction, as the paper has it.
    """

    features: Features
    words: Tensor
    cosine: float = 1.0
    clip: float = 1.0
    near: float = 3.0
    kind: Literal["log", "plain"] = "log"

    def __call__(self, edited: Tensor, unshifted: Tensor, start: Tensor) -> Tensor:
        """Return the loss.

        Args:
            edited: Predicted picture under the shift, with its graph.
            unshifted: Predicted picture of the origin at the same step.
            start: Unit features compared with.
        """
        cos = direction_energy(self.features(edited), start, self.words).mean()
        loss = -torch.log((1 + cos).clamp_min(1e-7) / 2) if self.kind == "log" else 1 - cos
        return self.clip * loss + self.near * self.cosine * (edited - unshifted).abs().mean()

    def at(self, at: TrainStep, shifted: Prediction) -> Tensor:
        """Return the loss at a step of a trajectory."""
        unshifted = at.origin.pictures[at.k]
        start = at.origin.start if self.kind == "log" else self.features(unshifted)
        return self(at.model.decode(shifted.x0), unshifted, start.detach())


class Loss(Protocol):
    """A loss that a shift is trained with."""

    def at(self, at: TrainStep, shifted: Prediction) -> Tensor:
        """Return the loss of the shifted prediction, which carries the graph."""
        ...
