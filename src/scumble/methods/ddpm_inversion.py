"""Edit-friendly DDPM inversion: the picture's own noise kept, its words changed (arXiv 2304.06140)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from PIL import ImageColor
from pydantic import Field, field_validator
from torch import Tensor

from scumble.controls.colour_pull import ColourPull
from scumble.controls.stored import StoredNoise
from scumble.core.control import Control
from scumble.inversion.trajectory import Inversion
from scumble.inversion.transforms import flipped, shifted
from scumble.methods.job import Job
from scumble.methods.shared.inverted import Inverted, Plan, obtain

__all__ = ["DDPMInversion"]


class DDPMInversion(Inverted):
    """Find the noise with which sampling gives the picture back exactly, then sample with other words.

    The noise also moves, mirrors or recolours the picture. Other seeds give other, equally valid edits.
    """

    paper: ClassVar[str] = "An Edit Friendly DDPM Noise Space, arXiv 2304.06140"

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is not run again: larger stays closer to the picture; 0.36."""
    eta: float | None = Field(default=None, gt=0, le=1)
    """Noise of the steps; 1."""
    shift: tuple[int, int] = (0, 0)
    """Move the picture right and down by so many pixels of the model's size (whole cells); best with skip 0.5."""
    exposed: Literal["roll", "fresh"] = "roll"
    """What comes in where the picture moves away: its other side, or something new."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """Mirror the picture."""
    colour: str | None = None
    """Colour to which the changed region is drawn, such as ``red`` or ``#8b4513``."""
    colour_strength: float = Field(default=0.05, ge=-1, le=1)
    """How strongly; negative draws away from the colour."""
    colour_steps: tuple[float, float] = (0.3, 0.8)
    """From where to where in the run the colour acts, as shares of all steps."""
    keep_detail: bool = True
    """Where a schedule ends with a step without noise: add what that step missed of the picture, its fine detail."""
    mode: Literal["parallel", "sequential"] = "parallel"
    """sequential: one network call after the other, as published; slower, the same up to rounding."""
    compat: Literal["official"] | None = None
    """official: the published code, that is the last noise zeroed (so not exact), ``eta v`` for ``eta^2 v``."""

    @field_validator("colour")
    @classmethod
    def _known_colour(cls, colour: str | None) -> str | None:
        if colour is not None:
            ImageColor.getrgb(colour)
        return colour

    def run(self, job: Job) -> Tensor | None:
        """Invert, transform the noise if asked to, and sample with it under the target's words."""
        plan = Plan(
            kind="edit-friendly",
            steps=self.num_inference_steps,
            skip=self.skip,
            prompt=self.source_prompt,
            guidance_scale=self.source_guidance_scale,
            eta=self.eta,
            chunk=self.chunk,
            mode=self.mode,
            compat=self.compat,
            shared=self.variants > 1,
        )
        inversion = obtain(job, plan)
        moved = self._moved(job, inversion)
        if inversion.first == inversion.steps and moved is inversion:
            return None
        hold = job.hold(inversion.steps, inversion.first, inversion)
        if moved is not inversion:
            kept = job.latent_change() == 0
            hold = replace(hold, source=lambda ctx, i: torch.where(kept, inversion(ctx, i), moved(ctx, i)))
        controls: list[Control] = [hold, StoredNoise(moved, offsets=self.keep_detail)]
        if self.colour is not None:
            controls.append(self._pull(job, inversion, self.colour))
        controls.append(self.target(job, self.guidance_scale))
        return job.denoise(inversion.levels, inversion.solver(job.model), controls)

    def _moved(self, job: Job, inversion: Inversion) -> Inversion:
        dx, dy = (round(pixels / job.model.factor) for pixels in self.shift)
        if any(pixels % job.model.factor for pixels in self.shift):
            job.notices.append(f"the shift was rounded to {dx * job.model.factor}, {dy * job.model.factor} pixels")
        if self.flip != "none":
            inversion = flipped(inversion, self.flip)
        if dx == dy == 0:
            return inversion
        device = job.model.device

        def draw(stream: str, step: int) -> Tensor:
            return job.noise.normal(job.shape, stream, step).to(device)

        return shifted(inversion, dx, dy, draw if self.exposed == "fresh" else None)

    def _pull(self, job: Job, inversion: Inversion, colour: str) -> ColourPull:
        red, green, blue = ImageColor.getrgb(colour)[:3]
        width, height = job.size
        flat = torch.tensor([red, green, blue], device=job.model.device).reshape(1, 3, 1, 1) / 127.5 - 1
        with torch.no_grad():
            target = job.model.encode(flat.expand(1, 3, height, width))
        begin, end = (round(share * inversion.steps) for share in self.colour_steps)
        return ColourPull(job.latent_change(), target, self.colour_strength, begin, end)
