"""Blended Diffusion: words into a region of a picture, with a pixel model and a CLIP (arXiv 2111.14818)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from scumble.methods.inpainting.clip_guided import ClipGuided
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["BlendedDiffusion"]


class BlendedDiffusion(ClipGuided):
    """Redraw the masked region as the words say, blending in the noised picture around it at every step.

    The text acts through the gradient of a CLIP on the predicted picture; one forward and one backward a step.
    """

    paper: ClassVar[str] = "Blended Diffusion, arXiv 2111.14818, algorithm 2"

    fresh_noise: bool | None = None
    """Noise the background anew at every step; by default with ddpm, which does so with the region too."""
    compat: Literal["official"] | None = None
    """official: the published code, whose background is one level too noisy, whose noise of the background is shared
    by the batch, whose predicted picture is never clipped, and whose CLIP sees grey around the region."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Start from the noised image; guide inside the mask, blend outside."""
        from scumble.controls.change_map import NoisedSource
        from scumble.methods.inpainting.background_blend import BackgroundBlend

        mask, first = self.mask(batch), self.first(batch)
        fresh = self.solver == "ddpm" if self.fresh_noise is None else self.fresh_noise
        blend = BackgroundBlend(lambda i: mask, mask, NoisedSource(self.source(batch), fresh=fresh), first)
        return self.sample(batch, blend, self.text_energies(batch, mask))
