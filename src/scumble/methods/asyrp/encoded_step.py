"""The encoder's run of one step, which the plain and the shifted decoder share."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.models.base import Model
from scumble.models.forward import timesteps
from scumble.models.taps import Tap
from scumble.models.unet_halves import EncoderCache, decode_half, encode_half

__all__ = ["EncodedStep"]


@dataclass
class EncodedStep:
    """The encoder's run of one step, with the time embedding."""

    cache: EncoderCache
    activations: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, ctx: RunState, model: Model, x: Tensor, level: Level, cond: Conditioning) -> EncodedStep:
        """Run the encoder on x at a level."""
        activations: dict[str, Tensor] = {}
        taps = [Tap("time_embedding", lambda temb: activations.update(temb=temb))]
        ctx.cost.forward(x.shape[0])
        return cls(encode_half(model.denoiser, x, timesteps(level, x.device), cond, taps), activations)

    def decode(self, model: Model, h: Tensor, x: Tensor, level: Level) -> Prediction:
        """Run the decoder on a bottleneck h."""
        output, _ = decode_half(model.denoiser, self.cache, h)
        return Prediction.from_output(model.schedule.prediction_type, output, x, level)
