"""Blended Latent Diffusion: redraw a region from a prompt with a text-to-image model (arXiv 2206.02779)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.methods.base import Prompted, Sampled
from scumble.methods.inpainting.decoder_fields import DecoderFields
from scumble.methods.inpainting.ranking_fields import ClipRanking
from scumble.methods.inpainting.region_fields import RegionInit
from scumble.methods.official import with_presets
from scumble.methods.placed import Placed
from scumble.methods.text_fields import TextFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["BlendedLatentDiffusion"]


class BlendedLatentDiffusion(Prompted, Sampled, ClipRanking, DecoderFields, RegionInit, Placed, TextFields):
    """Redraw the masked region from the prompt, blending in the noised image around it before every step."""

    paper: ClassVar[str] = "Blended Latent Diffusion, arXiv 2206.02779"
    tileable: ClassVar[bool] = True

    skip: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps skipped at the noisy end: 0 for a new object, up to 0.5 to recolor or follow strokes. Default:
    0; about 0.6 for a filled region."""
    shrink: int | None = Field(default=None, ge=0, le=16)
    """Number of wider masks used before the given one. Default: 3 for masks at most 2 cells wide where cells have 8
    pixels or more, else 0."""
    compat: Literal["official"] | None = None
    """official: follow the published SD2 script, which starts from pure noise at any level, steps to timestep 0 on a
    schedule of its own, and leaves the background one level too noisy, at the end too."""

    def check(self, batch: EditBatch) -> None:
        """Refuse pixel models."""
        if batch.model.factor == 1:
            raise MethodError(
                f"blended-latent-diffusion works on latents, but {batch.model.name} is a pixel model:"
                " use blended-diffusion"
            )
        super().check(batch)

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Start from the noised image (from pure noise if skip is 0); blend before every step and at the end."""
        from scumble.controls.change_map import NoisedSource
        from scumble.methods.inpainting.background_blend import BackgroundBlend
        from scumble.methods.inpainting.mask_shrinking import MaskSchedule, default_dilations
        from scumble.methods.placed_levels import levels_after_skip

        levels, first, whole = levels_after_skip(batch, self.num_inference_steps, self.solver, self.first_step)
        steps = len(levels) - 1
        mask = self.mask(batch)
        dilations = default_dilations(mask, batch.model.factor) if self.shrink is None else self.shrink
        masks = MaskSchedule.shrinking(mask, dilations, first, steps)
        keep_outside_map = BackgroundBlend(masks, mask, NoisedSource(self.source(batch)), first, from_noise=whole)
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        return batch.denoise(levels, self.make_solver(batch, steps), [keep_outside_map, guidance])
