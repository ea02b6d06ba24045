"""The network as a function of the tensor that a drag optimizes, evaluated only as far as needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.core.solver import Evaluation
from scumble.core.solvers import Ddim
from scumble.models.base import Model
from scumble.models.early_exit import early_exit, reading_until_complete
from scumble.models.taps import Tap

__all__ = ["Features", "count_rows", "features_at", "next_latent"]


@dataclass(frozen=True)
class Features:
    """Features of the optimized tensor.

    Attributes:
        feature: Features at the supervision layer (C, h, w), float32, with their graph.
        after: x at the next level (1, C, h, w), where a mask term needs it.
    """

    feature: Tensor
    after: Tensor | None = None

    @property
    def next_latent(self) -> Tensor:
        """``after``; ValueError where the network was left before it."""
        if self.after is None:
            raise ValueError("the network was left at the supervision layer: there is no next latent")
        return self.after


def features_at(
    model: Model, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, site: str, taps: Sequence[Tap] = ()
) -> Tensor:
    """Return the output of ``site`` (B, C, h, w), float32; what lies behind it in the network does not run."""
    activations: dict[str, Tensor] = {}
    with early_exit():
        model.predict(x, level, cond, [*taps, *reading_until_complete([site], activations)])
    return activations[site].float()


def next_latent(ctx: RunState, i: int, x: Tensor, prediction: Prediction) -> Tensor:
    """x at the next level, without noise (arXiv 2010.02502 eq. 12)."""
    if ctx.network.clip_sample is not None:
        prediction = prediction.clipped(ctx.levels[i], ctx.network.clip_sample)
    mean, _ = Ddim().step([Evaluation(i, ctx.levels[i], x, prediction)], ctx.levels[i + 1])
    return mean


def count_rows(ctx: RunState, rows: int) -> None:
    """Count rows forward, and backward where gradients are taken."""
    ctx.cost.forward(rows)
    if torch.is_grad_enabled():
        ctx.cost.backward(rows)
