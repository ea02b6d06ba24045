"""DDIM inversion: deterministic sampling run backwards, then forwards with other words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.methods.inversion_fields import InversionFields
from scumble.methods.placed import Placed

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["DDIMInversion"]


class DDIMInversion(InversionFields, Placed):
    """Walk from the image to the noise that leads back to it, then sample from there with another prompt."""

    paper: ClassVar[str] = "DDIM, arXiv 2010.02502 section 4.3; direct inversion, arXiv 2310.01506"
    tileable: ClassVar[bool] = True

    guidance_scale: float = Field(default=3.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is neither inverted nor run again: larger stays closer to the image. Default: 0."""
    iterations: int = Field(default=1, ge=1, le=100)
    """Largest number of fixed-point iterations per level: 1 is plain DDIM inversion; more come closer, to a limit."""
    tolerance: float = Field(default=1e-4, ge=0)
    """Iterations stop when no element of the latent changes by more than this."""
    direct: bool = False
    """Add to every step what the image's own step misses of its path; exact with the source prompt."""

    def draws_nothing(self, batch: EditBatch) -> bool:
        """A path and back without noise; several prompts make several images."""
        return self.variants == 1

    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, then sample without noise with the target prompt."""
        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.inversion_for import inversion_for

        fixed = {"iterations": self.iterations, "tolerance": self.tolerance, "offsets": self.direct}
        inversion = inversion_for(batch, self.inversion_settings("ddim", **fixed))
        if inversion.first == inversion.steps:
            return None
        missed = inversion.report.get("fixed_point_residual", 0.0)
        if self.iterations > 1 and missed > self.tolerance:
            batch.notices.append(f"the inversion moved by {missed:.1e} in the last of {self.iterations} iterations")
        keep = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
        controls = [keep, StoredNoise(inversion, offsets=self.direct), self.target(batch, self.guidance_scale)]
        return batch.denoise(inversion.levels, inversion.solver(batch.model), controls)
