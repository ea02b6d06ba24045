"""DDIM inversion: deterministic sampling run backwards, then forwards with other words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.methods.inversion_fields import InversionFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["DDIMInversion"]


class DDIMInversion(InversionFields):
    """Walk from the picture to the noise that leads back to it, then follow other words from there."""

    paper: ClassVar[str] = "DDIM, arXiv 2010.02502 section 4.3; direct inversion, arXiv 2310.01506"

    guidance_scale: float = Field(default=3.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is not inverted and not run again: larger stays closer to the picture; 0."""
    iterations: int = Field(default=1, ge=1, le=100)
    """At most so many fixed-point iterations a level; 1 is plain DDIM inversion, more come closer, up to a limit."""
    tolerance: float = Field(default=1e-4, ge=0)
    """Iterations of a level stop when no element of the latent moves by more than this."""
    direct: bool = False
    """Add in every step what the picture's own step misses of its path: with the source's words exact."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, then sample without noise under the target's words."""
        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.inversion_for import inversion_for

        fixed = {"iterations": self.iterations, "tolerance": self.tolerance, "offsets": self.direct}
        inversion = inversion_for(batch, self.inversion_settings("ddim", **fixed))
        if inversion.first == inversion.steps:
            return None
        missed = inversion.report.get("fixed_point_residual", 0.0)
        if self.iterations > 1 and missed > self.tolerance:
            batch.notices.append(f"the inversion moved by {missed:.1e} in the last of {self.iterations} iterations")
        keep_outside_map = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
        controls = [
            keep_outside_map,
            StoredNoise(inversion, offsets=self.direct),
            self.target(batch, self.guidance_scale),
        ]
        return batch.denoise(inversion.levels, inversion.solver(batch.model), controls)
