"""Settings of pix2pix-zero's inversion, whose noise is kept white, and the inversion itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from scumble.inversion.settings import InversionSettings, InversionStart
from scumble.methods.placed import Guided

if TYPE_CHECKING:
    from scumble.core.conditioning import Conditioning
    from scumble.core.noise import NoiseSource
    from scumble.inversion.inversion import Inversion
    from scumble.methods.attention.whitened_inversion import Regularizer
    from scumble.methods.batch import EditBatch

__all__ = ["WhitenedInversionFields"]


class WhitenedInversionFields(Guided):
    """Fields of the regularized DDIM inversion (arXiv 2302.03027 section 3.2)."""

    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N."""
    inversion_start: InversionStart = "warm"
    """First guess for each level of the inversion: warm is more exact at the same cost, same as published."""
    correlation_weight: float = Field(default=20.0, ge=0, le=1e4)
    """Inversion: weight of the autocorrelation loss on its noise."""
    divergence_weight: float = Field(default=20.0, ge=0, le=1e4)
    """Inversion: weight of the loss that keeps its noise at mean 0 and variance 1."""
    rounds: int = Field(default=5, ge=0, le=100)
    """Inversion: rounds of both losses at each step."""
    num_ac_rolls: int = Field(default=5, ge=1, le=100)
    """Inversion: moves of the autocorrelation loss in a round, each with new shifts."""

    def regularizer(self, noise: NoiseSource) -> Regularizer:
        """The losses that keep the inversion's noise white."""
        from scumble.methods.attention.whitened_inversion import Regularizer, drawn_from

        weights = self.correlation_weight, self.divergence_weight
        return Regularizer(drawn_from(noise), *weights, self.rounds, self.num_ac_rolls)

    def inversion(self, batch: EditBatch, caption: Conditioning, prompt: str) -> Inversion:
        """The given inversion, or that of the image under the source prompt, computed once per edit."""
        import torch

        from scumble.core.guidance import Guidance
        from scumble.core.solvers import Ddim
        from scumble.inversion.inversion import Inversion
        from scumble.methods.attention.whitened_inversion import whitened_path
        from scumble.methods.inversion_for import INVERSION, inversion_for

        if batch.inversion is not None:
            return inversion_for(batch, InversionSettings(num_inference_steps=self.num_inference_steps))

        def invert() -> Inversion:
            levels = batch.levels(self.num_inference_steps)
            noise = batch.first_noise
            ctx = replace(batch.context(levels, Ddim()), noise=noise, shape=(1, *batch.shape[1:]))
            regulate = self.regularizer(noise)
            with torch.no_grad(), batch.watch.phase("invert", self.num_inference_steps):
                plain = Guidance(caption, caption, 1.0)
                xs = whitened_path(ctx, batch.x0, plain, regulate, start=self.inversion_start)
            return Inversion("ddim", levels, 0, xs, prompt=prompt, eta=0.0, size=batch.size)

        batch.say_shared("the inversion's regularizer")
        weights = (self.correlation_weight, self.divergence_weight, self.rounds, self.num_ac_rolls)
        parts = ("whitened", self.num_inference_steps, self.inversion_start, weights, prompt, batch.size)
        return batch.cache.get_or_make(
            INVERSION, lambda: batch.reused("inversion", parts, invert, batch.first_noise if self.rounds else None)
        )
