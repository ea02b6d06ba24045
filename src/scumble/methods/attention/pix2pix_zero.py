"""pix2pix-zero: edit along a direction between prompts, with the layout held by cross-attention (arXiv 2302.03027)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.methods.attention.whitened_fields import WhitenedInversionFields
from scumble.methods.attention.worded_direction import WordedDirection
from scumble.methods.base import FromSeed
from scumble.methods.footprint import Footprint
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.conditioning import Conditioning
    from scumble.core.guidance import Guidance
    from scumble.methods.batch import EditBatch

__all__ = ["Pix2PixZero"]


class Pix2PixZero(FromSeed, WhitenedInversionFields, WordedDirection):
    """Turn one object into another, wherever it is, along a direction between words, captions or sentences.

    Edits images (which are inverted first), or what a seed and the source prompt generate.
    """

    paper: ClassVar[str] = "pix2pix-zero, arXiv 2302.03027"
    needs_text: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True
    takes_inversion: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(path=1)

    cross_attention: float | None = Field(default=None, ge=0, le=100)
    """How firmly cross-attention holds the layout; 0: not at all. Default: the published 0.1 for Stable Diffusion, and
    proportionally more for models with fewer attention maps per cell."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Classifier-free guidance. Default: 5 as published; 1.5 for images on small models, which overshoot with more."""
    negative_prompt: str | None = None
    """What the image should not show. Default: the source prompt for images, nothing for seeds."""
    compat: Literal["official"] | None = None
    """official: follow the published code, which inverts one level off and without both ends, draws from the VAE's
    posterior, and follows the unguided copy, pulled to the source's own attention."""

    def draws_nothing(self, batch: EditBatch) -> bool:
        """Edits of an image share one inversion; the published code draws another latent for each."""
        return not _from_seed(batch) and self.compat is None

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, then sample along the direction; each step starts by moving towards the source's attention."""
        from scumble.core.solvers import Ddim
        from scumble.methods.attention.attention_match import AttentionMatch
        from scumble.methods.attention.attention_reference import StoredReference, WalkingReference
        from scumble.methods.defaults import is_large_model
        from scumble.methods.source_run import along_inversion
        from scumble.models.sites import sites

        caption, source_prompt, guidance = self.prompts(batch, 5.0 if is_large_model(batch.model) else 1.5)
        edited, from_seed = guidance.cond, _from_seed(batch)
        paths = [site.path for site in sites(batch.model.denoiser, "cross_attention")]
        rate = self.rate(batch)
        if from_seed:
            levels = batch.levels(self.num_inference_steps)
            start = batch.noise.normal(batch.shape, "start", 0).to(batch.model.device)
            walking = WalkingReference(replace(guidance, cond=caption), start)
            match = AttentionMatch(paths, walking, edited, rate)
            return batch.denoise(levels, Ddim(), [match, guidance])
        source = along_inversion(batch, self.inversion(batch, caption, source_prompt))
        match = AttentionMatch(paths, StoredReference(caption, source.source), edited, rate)
        return batch.denoise(source.levels, source.solver, [*source.lead, match, guidance])

    def prompts(self, batch: EditBatch, scale: float) -> tuple[Conditioning, str, Guidance]:
        """The source prompt, embedded and in words, and guidance along the direction.

        Args:
            batch: The batch.
            scale: Default guidance of edits of an image.
        """
        from scumble.core.guidance import Guidance

        source_prompt = self.source_prompt or (batch.inversion.prompt if batch.inversion is not None else "")
        if not source_prompt.strip():
            raise InputError("pix2pix-zero needs to know what the picture shows: say it with --source-prompt")
        caption = batch.embed(source_prompt)
        edited = self.edited(batch, caption, source_prompt)
        default = "" if _from_seed(batch) else source_prompt
        negative = batch.embed(default if self.negative_prompt is None else self.negative_prompt)
        usual = 5.0 if _from_seed(batch) else scale
        chosen = batch.use("guidance_scale", usual) if self.guidance_scale is None else self.guidance_scale
        return caption, source_prompt, batch.ruled(Guidance(edited, negative, chosen))

    def rate(self, batch: EditBatch) -> float:
        """The step size of the move towards the source's attention."""
        from scumble.methods.attention.attention_match import matching_rate

        if self.cross_attention is not None:
            return self.cross_attention
        return matching_rate(batch.model.denoiser, batch.shape)


def _from_seed(batch: EditBatch) -> bool:
    return batch.image is None and batch.inversion is None
