"""pix2pix-zero's cross-attention guidance as published: two copies of x, each moved by its own row's attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, RunState
from scumble.core.prediction import Prediction
from scumble.methods.attention.attention_match import AttentionMatch

__all__ = ["TwinMatch"]


@dataclass
class TwinMatch(AttentionMatch):
    """The published code's rule: two copies of x, one per row of guidance, each moved by its own row's attention.

    The trajectory goes on from the unconditional copy; the edited copy is used for its prediction and then dropped.

    Args:
        uncond: Conditioning of the other row.
    """

    uncond: Conditioning = field(default_factory=Conditioning)
    twin: Tensor | None = None
    x: Tensor | None = None

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Move both copies."""
        wanted = self.reference(ctx, self.paths)
        both = Conditioning.cat([self.uncond.expand(x.shape[0]), self.cond.expand(x.shape[0])])
        joint = {path: torch.cat([wanted[0][path], wanted[-1][path]]) for path in self.paths}
        gradient, loss = self.slope(ctx, torch.cat([x, x]), both, joint)
        self.losses.append(loss)
        self.x, self.twin = (torch.cat([x, x]) - self.rate * gradient).chunk(2)
        return self.x

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Evaluate the conditional row at its own copy."""
        return [replace(row, x=self.twin) if row.name == "cond" else row for row in rows]

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Take the guided noise at the unconditional copy."""
        return prediction if self.x is None else Prediction.from_eps(prediction.eps, self.x, ctx.level)
