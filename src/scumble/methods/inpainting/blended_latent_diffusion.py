"""Blended Latent Diffusion: words into a region of a picture, with a text-to-image model (arXiv 2206.02779)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.methods.base import Prompted, Sampled
from scumble.methods.inpainting.fields import ClipRanking, RegionInit
from scumble.methods.official import with_presets
from scumble.methods.placed import Placed

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["BlendedLatentDiffusion"]

THIN_DILATIONS = 3
COARSE = 8
"""Pixels per cell from which on thin masks need help: with cells of 4 pixels shrinking was seen to gain nothing."""


class BlendedLatentDiffusion(Prompted, Sampled, ClipRanking, RegionInit, Placed):
    """Redraw the masked region as the words say, blending in the noised picture around it before every step."""

    paper: ClassVar[str] = "Blended Latent Diffusion, arXiv 2206.02779"
    tileable: ClassVar[bool] = True

    skip: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps left out at the noisy end: 0 for a new object, up to 0.5 to recolour or follow strokes; by
    default 0, for a filled region about 0.6."""
    shrink: int | None = Field(default=None, ge=0, le=16)
    """How many times wider masks come before the drawn one; by default 3 for masks at most 2 cells thin where
    cells have 8 pixels or more, else 0."""
    background: Literal["paste", "decoder"] = "paste"
    """How the untouched part comes back: pasted, or by a decoder tuned to it for each candidate, then pasted."""
    decoder_steps: int = Field(default=75, ge=1, le=2000)
    """Steps of tuning the decoder."""
    decoder_rate: float = Field(default=1e-4, gt=0, le=0.1)
    """Learning rate of tuning the decoder."""
    preservation: float = Field(default=100.0, ge=0, le=1e6)
    """Weight of the untouched part in tuning the decoder."""
    compat: Literal["official"] | None = None
    """official: the published SD2 script, which starts from pure noise at any level, steps to timestep 0 on a
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
        """Begin from the noised picture (from noise with skip 0); blend before every step and at the end."""
        from scumble.controls.change_map import NoisedSource
        from scumble.methods.inpainting.background_blend import BackgroundBlend
        from scumble.methods.inpainting.mask_shrinking import MaskSchedule

        levels = batch.levels(self.num_inference_steps, self.solver)
        steps = len(levels) - 1
        first = self.first_step(batch, levels)
        mask = self.mask(batch)
        masks = MaskSchedule.shrinking(mask, self._dilations(mask, batch.model.factor), first, steps)
        keep_outside_map = BackgroundBlend(masks, mask, NoisedSource(self.source(batch)), first, from_noise=first == 0)
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        return batch.denoise(levels, self.make_solver(batch, steps), [keep_outside_map, guidance])

    def decode(self, batch: EditBatch, made: Tensor) -> Tensor:
        """Decode, with a decoder tuned to the untouched part where that is asked for."""
        import torch

        from scumble.methods.inpainting.decoder_tuning import DecoderTuning, decode_tuned

        if self.background == "paste" or batch.change is None:
            return super().decode(batch, made)
        fit = DecoderTuning(self.decoder_steps, self.decoder_rate, self.preservation)
        inside = self.mask(batch, coarse=False).expand(batch.count, -1, -1, -1)
        pairs = zip(made.split(1), inside.split(1), strict=True)

        def tell(k: int) -> None:
            batch.tell(k + 1, self.decoder_steps, made)

        with batch.watch.phase("optimize", self.decoder_steps, counts=False):
            found = [decode_tuned(batch.model, z, batch.picture, own, fit, tell) for z, own in pairs]
        batch.report.say_of_each(decoder_loss=[(round(first, 6), round(last, 6)) for _, first, last in found])
        return torch.cat([picture for picture, _, _ in found])

    def _dilations(self, mask: Tensor, factor: int) -> int:
        from scumble.methods.inpainting.mask_shrinking import is_thin

        if self.shrink is not None:
            return self.shrink
        thin = factor >= COARSE and any(is_thin(own) for own in mask.split(1))
        return THIN_DILATIONS if thin else 0
