"""DragDiffusion: points are dragged by optimising the latent at one step (arXiv 2306.14435)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from scumble.controls.bottleneck import Begin
from scumble.controls.companion import Companion
from scumble.controls.reference_attention import ReferenceAttention, reference_layers
from scumble.controls.stored import StoredNoise, TeacherForced
from scumble.core.control import Control
from scumble.drag.looks import LatentLook
from scumble.drag.optimise import Drag, Look, optimise
from scumble.inversion.trajectory import Inversion
from scumble.methods.job import Job
from scumble.methods.shared.dragged import Dragged
from scumble.methods.shared.obtained import obtain

__all__ = ["DragDiffusion"]


class DragDiffusion(Dragged):
    """Drag points by changing the noisy picture itself, and let it borrow its looks from the original."""

    paper: ClassVar[str] = "DragDiffusion, arXiv 2306.14435"

    guidance_scale: float = Field(default=1.0, ge=1, le=100)
    """Classifier-free guidance; 1 is right for photographs, a generated picture may need its own."""
    negative_prompt: str = ""
    """What the picture does not show; matters with guidance only."""
    reference: bool = True
    """Let self-attention look at the original picture while sampling."""
    start_step: int = Field(default=0, ge=0, le=1000)
    """Steps of the run before it looks there."""
    start_layer: int | None = Field(default=None, ge=0, le=1000)
    """Self-attention layers from this one on do; by default those of the decoder at full and half size."""

    def drag(self, job: Job) -> Tensor | None:
        """Optimise x at the step of ``strength``, then denoise it beside the original."""
        inversion = obtain(job, self.plan(job))
        if inversion.first == inversion.steps:
            return None
        found = self.search(job, inversion)
        return self.finished(job, self.render(job, inversion, found), found)

    def search(self, job: Job, inversion: Inversion) -> Drag:
        """Optimise; the mask term holds the next latent. Without a mask there is none."""
        ctx = job.context(inversion.levels, inversion.solver(job.model))
        held = None if job.change is None else 1 - self._mask(job)
        guidance = job.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        look = LatentLook(job.model, ctx, inversion.first, guidance, self.site(job), held is not None)

        def preserve(z: Tensor, seen: Look, first: Look) -> Tensor:
            assert held is not None and seen.after is not None and first.after is not None
            return self.mask_weight * ((seen.after - first.after) * held).abs().sum()

        term, x = None if held is None else preserve, inversion.x_at(inversion.first)
        if not self.pulls:
            return optimise(x, look, self.grid(job), self.settings(job), term, self.progress(job))
        begin = self.pulled(job, inversion)
        return optimise(begin, look, self.grid(job), self.settings(job), term, self.progress(job), lambda: look(x))

    def _mask(self, job: Job) -> Tensor:
        assert job.change is not None
        if self.compat == "official":  # nearest, as F.interpolate does it: the first pixel of each cell
            return (job.change > 0).float()[..., :: job.model.factor, :: job.model.factor].to(job.model.device)
        return (job.latent_change("max") > 0).float()

    def render(self, job: Job, inversion: Inversion, found: Drag) -> Tensor:
        """Denoise, every kept state on the way in one batch; the result is the last row.

        The original's row follows its stored path. The published code samples it anew from the same level.
        """
        values = torch.cat(self.chosen(found))
        guidance = job.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        original: list[Control] = []
        if self.reference:
            original = [TeacherForced(inversion, guidance.cond, "source")]
            if "uncond" in guidance.names:
                original.append(TeacherForced(inversion, guidance.uncond, "source_uncond"))
            if self.compat == "official":
                original = [Companion(guidance, x=inversion.x_at(inversion.first))]
            layers = reference_layers(job.model.denoiser, self.start_layer)
            original.append(ReferenceAttention(layers, inversion.first + self.start_step))
        controls = [Begin(values, inversion.first), *self.hold(job, inversion), guidance, *original]
        if self.compat != "official":
            controls.append(StoredNoise(inversion))
        return replace(job, batch=len(values)).denoise(inversion.levels, inversion.solver(job.model), controls)
