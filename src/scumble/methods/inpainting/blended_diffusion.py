"""Blended Diffusion: redraw a region from a prompt with a pixel model and CLIP (arXiv 2111.14818)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from scumble.methods.inpainting.clip_guided import ClipGuided
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["BlendedDiffusion"]


class BlendedDiffusion(ClipGuided):
    """Redraw the masked region from the prompt, blending in the noised image around it at every step.

    The prompt acts by the gradient of CLIP on the predicted image: one forward and one backward pass per step.
    """

    paper: ClassVar[str] = "Blended Diffusion, arXiv 2111.14818, algorithm 2"

    fresh_noise: bool | None = None
    """Draw new noise for the background at every step. Default: with ddpm, which does so in the region too."""
    compat: Literal["official"] | None = None
    """official: follow the published code: the background is one level too noisy and its noise shared by the batch,
    predictions are never clipped, and CLIP sees gray around the region."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Start from the noised image; guide inside the mask, blend outside."""
        from scumble.controls.change_map import NoisedSource
        from scumble.methods.inpainting.background_blend import BackgroundBlend

        mask, first = self.mask(batch), self.first(batch)
        fresh = self.solver == "ddpm" if self.fresh_noise is None else self.fresh_noise
        blend = BackgroundBlend(lambda i: mask, mask, NoisedSource(self.source(batch), fresh=fresh), first)
        return self.sample(batch, blend, self.text_energies(batch, mask))
