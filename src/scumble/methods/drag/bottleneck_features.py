"""The network as a function of its bottleneck, or of another layer (DragNoise)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.methods.drag.features import Features, count_rows, features_at, next_latent
from scumble.models.base import Model
from scumble.models.forward import timesteps
from scumble.models.taps import Tap
from scumble.models.unet_halves import EncoderCache, decode_half, decode_until, encode_half

__all__ = ["BottleneckFeatures", "LayerFeatures", "features_of"]


@dataclass
class _AtLevel:
    """What the network is evaluated on, and where its features are read.

    Args:
        model: The model.
        ctx: The run, for its levels and cost.
        i: Index of the level.
        x: x at that level (1, C, h, w).
        cond: What the picture shows.
        site: Supervision layer.
    """

    model: Model
    ctx: RunState
    i: int
    x: Tensor
    cond: Conditioning
    site: str


@dataclass
class BottleneckFeatures(_AtLevel):
    """The decoder as a function of the bottleneck h; encoder, skips, time and words are computed once.

    Args:
        whole: Also run what lies behind the supervision layer, for the next x.
    """

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
        count_rows(self.ctx, 1)
        if not self.whole:
            return Features(decode_until(denoiser, encoded, h, self.site)[self.site][0].float())
        output, activations = decode_half(denoiser, encoded, h, read=(self.site,))
        level = self.ctx.levels[self.i]
        prediction = Prediction.from_output(self.model.schedule.prediction_type, output, self.x, level)
        return Features(activations[self.site][0].float(), next_latent(self.ctx, self.i, self.x, prediction))


@dataclass
class LayerFeatures(_AtLevel):
    """The network as a function of any layer's output: the ablation of the paper, without its savings."""

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
        count_rows(self.ctx, 1)
        level, put = self.ctx.levels[self.i], Tap(self.layer, lambda output: value.to(output.dtype))
        if not self.whole:
            return Features(features_at(self.model, self.x, level, self.cond, self.site, [put])[0])
        activations: list[Tensor] = []
        prediction = self.model.predict(self.x, level, self.cond, [put, Tap(self.site, activations.append)])
        return Features(activations[0][0].float(), next_latent(self.ctx, self.i, self.x, prediction))


def features_of(
    layer: str, model: Model, ctx: RunState, i: int, x: Tensor, cond: Conditioning, site: str, whole: bool
) -> BottleneckFeatures | LayerFeatures:
    """The network as a function of the bottleneck (``mid_block``, the encoder runs once) or of another layer."""
    if layer == "mid_block":
        return BottleneckFeatures(model, ctx, i, x, cond, site, whole)
    return LayerFeatures(model, ctx, i, x, cond, site, layer, whole)
