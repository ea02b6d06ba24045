"""The network as a function of x at one level (DragDiffusion)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.methods.drag.features import Features, count_rows, features_at, next_latent
from scumble.models.base import Model
from scumble.models.taps import Tap

__all__ = ["LatentFeatures"]


@dataclass
class LatentFeatures:
    """The network as a function of x at one level.

    With guidance w the features of both rows are put together with the weights ``1 - k, k = w / (2 w - 1)``, as the
    published code does for generated pictures.

    Args:
        model: The model.
        ctx: The run, for its levels and cost.
        i: Index of the level.
        guidance: What the picture shows.
        site: Supervision layer.
        whole: Also run what lies behind it, for the next x.
    """

    model: Model
    ctx: RunState
    i: int
    guidance: Guidance
    site: str
    whole: bool = False

    def __call__(self, z: Tensor) -> Features:
        """Run the network on ``z``, up to the supervision layer or to its end."""
        branches, level = self.guidance.planned, self.ctx.levels[self.i]
        cond, x = Conditioning.cat([row.cond for row in branches]), z.expand(len(branches), -1, -1, -1)
        count_rows(self.ctx, len(branches))
        if not self.whole:
            return Features(self._joined(features_at(self.model, x, level, cond, self.site)))
        activations: list[Tensor] = []
        joint = self.model.predict(x, level, cond, [Tap(self.site, activations.append)])
        prediction = self.guidance.combine(self.guidance.split(joint))
        return Features(self._joined(activations[0].float()), next_latent(self.ctx, self.i, z, prediction))

    def _joined(self, rows: Tensor) -> Tensor:
        if len(rows) == 1:
            return rows[0]
        share = self.guidance.scale / (2 * self.guidance.scale - 1)
        return torch.cat([(1 - share) * rows[0], share * rows[1]])
