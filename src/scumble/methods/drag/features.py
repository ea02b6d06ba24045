"""The network as a function of the tensor that a drag optimizes, evaluated only as far as needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Control, RunState
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.core.solvers import Ddim, Evaluation
from scumble.methods.drag.optimize import Features
from scumble.models.base import Model
from scumble.models.early_exit import early_exit, reading_until_complete
from scumble.models.forward import timesteps
from scumble.models.taps import Tap
from scumble.models.unet_halves import EncoderCache, decode_half, decode_until, encode_half

__all__ = ["Bottleneck", "BottleneckFeatures", "LatentFeatures", "LayerFeatures", "features_at", "features_of"]


def features_at(
    model: Model, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, site: str, taps: Sequence[Tap] = ()
) -> Tensor:
    """Return the output of ``site`` (B, C, h, w), float32; what lies behind it in the network does not run."""
    activations: dict[str, Tensor] = {}
    with early_exit():
        model.predict(x, level, cond, [*taps, *reading_until_complete([site], activations)])
    return activations[site].float()


def _after(ctx: RunState, i: int, x: Tensor, prediction: Prediction) -> Tensor:
    """x at the next level, without noise (arXiv 2010.02502 eq. 12)."""
    if ctx.network.clip_sample is not None:
        prediction = prediction.clipped(ctx.levels[i], ctx.network.clip_sample)
    mean, _ = Ddim().step([Evaluation(i, ctx.levels[i], x, prediction)], ctx.levels[i + 1])
    return mean


def _count(ctx: RunState, rows: int) -> None:
    ctx.cost.forward(rows)
    if torch.is_grad_enabled():
        ctx.cost.backward(rows)


@dataclass
class BottleneckFeatures:
    """The decoder as a function of the bottleneck h; encoder, skips, time and words are computed once.

    Args:
        model: The model.
        ctx: The run, for its levels and cost.
        i: Index of the level.
        x: x at that level (1, C, h, w).
        cond: What the picture shows.
        site: Supervision layer.
        whole: Also run what lies behind it, for the next x.
    """

    model: Model
    ctx: RunState
    i: int
    x: Tensor
    cond: Conditioning
    site: str
    whole: bool = False

    @cached_property
    def encoded(self) -> EncoderCache:
        """The encoder's run, which is the same for every bottleneck."""
        self.ctx.cost.forward(1)
        return encode_half(self.model.denoiser, self.x, timesteps(self.ctx.levels[self.i], self.x.device), self.cond)

    @property
    def start(self) -> Tensor:
        """The network's own bottleneck (1, C', h', w')."""
        return self.encoded.h

    def __call__(self, h: Tensor) -> Features:
        """Run the decoder on ``h``, up to the supervision layer or to its end."""
        encoded, denoiser = self.encoded, self.model.denoiser
        _count(self.ctx, 1)
        if not self.whole:
            return Features(decode_until(denoiser, encoded, h, self.site)[self.site][0].float())
        output, activations = decode_half(denoiser, encoded, h, read=(self.site,))
        level = self.ctx.levels[self.i]
        prediction = Prediction.from_output(self.model.schedule.prediction_type, output, self.x, level)
        return Features(activations[self.site][0].float(), _after(self.ctx, self.i, self.x, prediction))


@dataclass
class LayerFeatures:
    """The network as a function of any layer's output: the ablation of the paper, without its savings."""

    model: Model
    ctx: RunState
    i: int
    x: Tensor
    cond: Conditioning
    site: str
    layer: str
    whole: bool = False

    @property
    def start(self) -> Tensor:
        """The layer's own output."""
        self.ctx.cost.forward(1)
        with torch.no_grad():
            return features_at(self.model, self.x, self.ctx.levels[self.i], self.cond, self.layer)

    def __call__(self, value: Tensor) -> Features:
        """Run the network with the layer's output overwritten."""
        _count(self.ctx, 1)
        level, put = self.ctx.levels[self.i], Tap(self.layer, lambda own: value.to(own.dtype))
        if not self.whole:
            return Features(features_at(self.model, self.x, level, self.cond, self.site, [put])[0])
        activations: list[Tensor] = []
        prediction = self.model.predict(self.x, level, self.cond, [put, Tap(self.site, activations.append)])
        return Features(activations[0][0].float(), _after(self.ctx, self.i, self.x, prediction))


def features_of(
    layer: str, model: Model, ctx: RunState, i: int, x: Tensor, cond: Conditioning, site: str, whole: bool
) -> BottleneckFeatures | LayerFeatures:
    """The network as a function of the bottleneck (``mid_block``, the encoder runs once) or of another layer."""
    if layer == "mid_block":
        return BottleneckFeatures(model, ctx, i, x, cond, site, whole)
    return LayerFeatures(model, ctx, i, x, cond, site, layer, whole)


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
        _count(self.ctx, len(branches))
        if not self.whole:
            return Features(self._joined(features_at(self.model, x, level, cond, self.site)))
        activations: list[Tensor] = []
        joint = self.model.predict(x, level, cond, [Tap(self.site, activations.append)])
        prediction = self.guidance.combine(self.guidance.split(joint))
        return Features(self._joined(activations[0].float()), _after(self.ctx, self.i, z, prediction))

    def _joined(self, rows: Tensor) -> Tensor:
        if len(rows) == 1:
            return rows[0]
        share = self.guidance.scale / (2 * self.guidance.scale - 1)
        return torch.cat([(1 - share) * rows[0], share * rows[1]])


@dataclass
class Bottleneck(Control):
    """Overwrite the mid block's output, which holds the structure of the picture (arXiv 2404.01050 section 3.3).

    The last output of the encoder still enters the decoder as a skip connection.

    Args:
        h: What to put there (1 or B, C', h', w').
        until: Replace the output before this step only.
        site: Another layer, for comparisons.
        rows_of: Rows that are overwritten; others (a reference) keep their own.
    """

    h: Tensor
    until: int
    site: str = "mid_block"
    rows_of: tuple[str, ...] = ("cond", "uncond")

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Overwrite before step ``until``."""
        if ctx.i >= self.until:
            return ()

        def put(output: Tensor) -> Tensor:
            result = output.clone()
            for name in self.rows_of:
                if name in ctx.layout:
                    place = ctx.layout[name]
                    result[place] = self.h.to(output.dtype).expand(place.stop - place.start, *output.shape[1:])
            return result

        return (Tap(self.site, put),)
