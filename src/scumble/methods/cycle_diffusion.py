"""CycleDiffusion: the noise of a true diffusion path of the picture, sampled again with other words."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from scumble.controls.stored import StoredNoise
from scumble.methods.job import Job
from scumble.methods.shared.inverted import Inverted
from scumble.methods.shared.obtained import Plan, obtain

__all__ = ["CycleDiffusion"]


class CycleDiffusion(Inverted):
    """Reconstructs as exactly as edit-friendly inversion, but its noise carries less of the picture's structure."""

    paper: ClassVar[str] = "CycleDiffusion, arXiv 2210.05559"

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is not run again: larger stays closer to the picture.
    0.2, or 0.36 for models of 256 px and more."""
    eta: float | None = Field(default=None, gt=0, le=1)
    """Noise of the steps; 1."""

    def run(self, job: Job) -> Tensor | None:
        """Invert along the true process and sample with its noise under the target's words."""
        plan = Plan(
            kind="naive",
            steps=self.num_inference_steps,
            skip=self.skip,
            prompt=self.source_prompt,
            guidance_scale=self.source_guidance_scale,
            eta=self.eta,
            chunk=self.chunk,
            shared=self.variants > 1,
        )
        inversion = obtain(job, plan)
        if inversion.first == inversion.steps:
            return None
        hold = job.hold(inversion.steps, inversion.first, inversion)
        controls = [hold, StoredNoise(inversion), self.target(job, self.guidance_scale)]
        return job.denoise(inversion.levels, inversion.solver(job.model), controls)
