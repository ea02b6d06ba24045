"""CycleDiffusion: the noise of a true diffusion path of the picture, sampled again with other words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.methods.footprint import Footprint
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.placed import Placed

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["CycleDiffusion"]


class CycleDiffusion(InversionFields, Placed):
    """Reconstruct as exactly as edit-friendly inversion, with noise that carries less of the image's structure."""

    paper: ClassVar[str] = "CycleDiffusion, arXiv 2210.05559"
    tileable: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(path=3, each_its_own=True)

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is not run again: larger stays closer to the image. Default: 0.2, or 0.36 for models of
    256 px and more."""
    eta: float | None = Field(default=None, gt=0, le=1)
    """Noise of the steps. Default: 1."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert along the true diffusion process and sample with its noise and the target prompt."""
        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.inversion_for import inversion_for

        inversion = inversion_for(batch, self.inversion_settings("naive", eta=self.eta), shared=self.variants > 1)
        if inversion.first == inversion.steps:
            return None
        keep = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
        controls = [keep, StoredNoise(inversion), self.target(batch, self.guidance_scale)]
        return batch.denoise(inversion.levels, inversion.solver(batch.model), controls)
