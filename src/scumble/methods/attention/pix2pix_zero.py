"""pix2pix-zero: an edit given as a direction between words, the layout held by cross-attention (arXiv 2302.03027)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.inversion.settings import InversionSettings, InversionStart
from scumble.methods.attention.worded_direction import WordedDirection
from scumble.methods.base import FromSeed
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.conditioning import Conditioning
    from scumble.core.guidance import Guidance
    from scumble.core.noise import NoiseSource
    from scumble.inversion.inversion import Inversion
    from scumble.methods.attention.whitened_inversion import Regularizer
    from scumble.methods.batch import EditBatch

__all__ = ["Pix2PixZero"]

PUBLISHED_RATE, PUBLISHED_PLACES = 0.1, (5 * (64**2 + 32**2 + 16**2) + 8**2) / 64**2
"""Step size for Stable Diffusion 1, and how many queries of its cross-attention there are for each cell of its latent.
The loss is a sum over queries, and a cell moves those near it: so many times larger is the cell's gradient."""


class Pix2PixZero(FromSeed, WordedDirection):
    """Turn one thing into another, wherever it is: say what is there and what shall be, as words or as sentences.

    Works on pictures (inverted first) and, without one, on what the seed and the source prompt give.
    """

    paper: ClassVar[str] = "pix2pix-zero, arXiv 2302.03027"
    needs_text: ClassVar[bool] = True
    takes_inversion: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True

    cross_attention: float | None = Field(default=None, ge=0, le=100)
    """How firmly the layout is held, 0: not at all; by default the published 0.1 for Stable Diffusion, and more in
    proportion where a model has fewer attention maps over each cell."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Classifier-free guidance; by default 5 as published, and 1.5 for pictures and small models, which guidance away
    from the picture's own words soon leads beyond what is asked."""
    negative_prompt: str | None = None
    """What it shall not show; by default the source prompt for pictures, and nothing for seeds."""
    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N."""
    inversion_start: InversionStart = "warm"
    """Where the inversion looks for each level first: warm is more exact for the same cost, same as published."""
    correlation_weight: float = Field(default=20.0, ge=0, le=1e4)
    """Of the inversion: how strongly its noise is kept from being correlated with itself."""
    divergence_weight: float = Field(default=20.0, ge=0, le=1e4)
    """Of the inversion: how strongly its noise is kept at mean 0 and variance 1."""
    rounds: int = Field(default=5, ge=0, le=100)
    """Rounds of both at each step."""
    compat: Literal["official"] | None = None
    """official: the published code, that is an inversion whose levels are one off and whose list lacks both ends, a
    draw from the VAE's posterior, and a trajectory of the unguided copy, which is pulled to the source's own words."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, then sample along the direction, each step beginning with a move towards the source's attention."""
        from scumble.core.solvers import Ddim
        from scumble.methods.attention.attention_match import AttentionMatch, StoredReference, WalkingReference
        from scumble.methods.defaults import is_large_model
        from scumble.methods.source_run import along_inversion
        from scumble.models.sites import sites

        caption, said, guidance = self.prompts(batch, 5.0 if is_large_model(batch.model) else 1.5)
        edited, from_seed = guidance.cond, _from_seed(batch)
        paths = [site.path for site in sites(batch.model.denoiser, "cross_attention")]
        rate = self.rate(batch)
        if from_seed:
            levels = batch.levels(self.num_inference_steps)
            start = batch.noise.normal(batch.shape, "start", 0).to(batch.model.device)
            walking = WalkingReference(replace(guidance, cond=caption), start)
            match = AttentionMatch(paths, walking, edited, rate)
            return batch.denoise(levels, Ddim(), [match, guidance])
        source = along_inversion(batch, self._inversion(batch, caption, said))
        match = AttentionMatch(paths, StoredReference(caption, source.source), edited, rate)
        return batch.denoise(source.levels, source.solver, [*source.lead, match, guidance])

    def prompts(self, batch: EditBatch, scale: float) -> tuple[Conditioning, str, Guidance]:
        """The source prompt, embedded and in words, and guidance along the direction.

        Args:
            batch: The batch.
            scale: Default guidance of edits of an image.
        """
        from scumble.core.guidance import Guidance

        said = self.source_prompt or (batch.inversion.prompt if batch.inversion is not None else "")
        if not said.strip():
            raise InputError("pix2pix-zero needs to know what the picture shows: say it with --source-prompt")
        caption = batch.embed(said)
        edited = self.edited(batch, caption, said)
        default = "" if _from_seed(batch) else said
        negative = batch.embed(default if self.negative_prompt is None else self.negative_prompt)
        usual = 5.0 if _from_seed(batch) else scale
        chosen = batch.use("guidance_scale", usual) if self.guidance_scale is None else self.guidance_scale
        return caption, said, Guidance(edited, negative, chosen)

    def regularizer(self, noise: NoiseSource) -> Regularizer:
        """What keeps the inversion's noise white."""
        from scumble.methods.attention.whitened_inversion import Regularizer, drawn_from

        return Regularizer(drawn_from(noise), self.correlation_weight, self.divergence_weight, self.rounds)

    def rate(self, batch: EditBatch) -> float:
        """The step size of the move towards the source's attention."""
        from scumble.energies.sites import site_sizes

        if self.cross_attention is not None:
            return self.cross_attention
        queries = sum(h * w for h, w in site_sizes(batch.model.denoiser, batch.shape).values())
        return PUBLISHED_RATE * PUBLISHED_PLACES * (batch.shape[2] * batch.shape[3]) / queries

    def _inversion(self, batch: EditBatch, caption: Conditioning, said: str) -> Inversion:
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
            return Inversion("ddim", levels, 0, xs, prompt=said, eta=0.0, size=batch.size)

        return batch.cache.get_or_make(INVERSION, invert)


def _from_seed(batch: EditBatch) -> bool:
    return batch.image is None and batch.inversion is None
