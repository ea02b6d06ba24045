"""Trains a shift from what the model itself makes of two texts, where no CLIP is good enough to judge.

Not of the paper: arXiv 2210.10960 trains with a CLIP's directional loss. A text-to-image model knows the attribute
already; its change of prediction from one text to the other is what the shift learns to bring about without words.
Say the source without the attribute (an empty text in frames that leave it open): the shift then follows what speaks
for the target whatever the picture shows, where "on a plain floor" would teach it to leave a plain floor. On the
bundled model floors work; a night sky did not come over a sunset, "red" moved hues only part of the way and took shapes
along, and "metal", a small change, was learned as noise that erases things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.methods.asyrp.trajectory import TrainStep

__all__ = ["DistillationLoss"]


@dataclass(frozen=True)
class DistillationLoss:
    """Mean squared difference of the shifted noise to ``eps + strength (eps_target - eps_source)``.

    Attributes:
        source: What the model is told for the one text, in each sentence frame.
        target: The same for the other.
        strength: How far to go.
    """

    source: Sequence[Conditioning]
    target: Sequence[Conditioning]
    strength: float = 1.0

    def at(self, at: TrainStep, shifted: Prediction) -> Tensor:
        """Return the loss; the frames take turns, so that each step of the run sees all of them."""
        n = at.turn % len(self.source)
        both = Conditioning.cat([self.source[n], self.target[n]])
        eps = at.ctx.evaluate(at.x.expand(2, -1, -1, -1), at.level, both).eps.detach()
        with torch.no_grad():
            wanted = at.plain.eps + self.strength * (eps[1:] - eps[:1])
        return (shifted.eps - wanted).square().mean()
