"""WarpDrag: the picture pulled along the points, and redrawn only where that shows; for any model."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from scumble.controls.change_map import ChangeMap, NoisedSource, release_index
from scumble.drag.warp import Warped, warp
from scumble.images import latent_map
from scumble.methods.base import Sampled
from scumble.methods.job import Job
from scumble.methods.shared.pointed import Pointed

__all__ = ["WarpDrag"]


class WarpDrag(Pointed, Sampled):
    """Pull the picture along the points at once; then let the model redraw what was uncovered and smooth the rest."""

    paper: ClassVar[str] = "our own; the start of FastDrag, arXiv 2405.15769, with a change map (arXiv 2306.00950)"

    preview: bool = False
    """Only pull, redraw nothing: a rough look in a moment."""
    negative_prompt: str = ""
    """What the picture does not show."""
    guidance_scale: float = Field(default=1.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    strength: float = Field(default=0.3, ge=0, le=1)
    """How far what was moved is redrawn, to smooth its edges."""
    fill_strength: float = Field(default=0.6, ge=0, le=1)
    """How far what was uncovered, and filled from around, is redrawn; 1 invents it anew, and may invent too much."""
    reach: float | None = Field(default=None, gt=0)
    """Radius in pixels of what a point takes along; by default the thing that the mask is drawn around, where one
    stands out, else what lies up to the mask's black, or a sixth of the picture."""

    def run(self, job: Job) -> Tensor | None:
        """Warp, then sample with a strength for every place: uncovered, moved, or left alone."""
        warped = self.warped(job)
        if self.preview:
            return warped.image[None].expand(job.batch, -1, -1, -1)
        change = self._change(job, warped)
        with torch.no_grad():
            x0 = job.model.encode(warped.image[None])
        levels = job.levels(self.num_inference_steps, self.solver)
        steps = len(levels) - 1
        release = release_index(latent_map(change, job.model.factor, "max").to(job.model.device), steps)
        guidance = job.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        hold = ChangeMap(release, NoisedSource(x0))
        made = x0.expand(job.shape)
        if int(release.min()) < steps:
            made = job.denoise(levels, self.make_solver(steps), [hold, guidance])
        rows = [self.arrival(job, made[k : k + 1]) for k in range(job.batch)]
        job.report["points"] = rows
        return made

    def decode(self, job: Job, made: Tensor) -> Tensor:
        """Decode, except for a preview, which is a picture already."""
        return made if self.preview else super().decode(job, made)

    def warped(self, job: Job) -> Warped:
        """The picture pulled along the points, at the model's size."""
        mask = None if job.change is None else job.change.amax((0, 1))
        scaled = self.place(job)
        reach = None if self.reach is None else self.reach * scaled.scaled[0] / scaled.original[0]
        return warp(job.picture[0], self.field(job, reach), mask)

    def _change(self, job: Job, warped: Warped) -> Tensor:
        """Strength for every pixel (1, 1, H, W), a cell wider than what was touched, and nothing outside the mask."""
        cell = 2 * job.model.factor // 2 * 2 + 1 if job.model.factor > 1 else 5
        bare = F.max_pool2d(warped.uncovered[None, None].float(), cell, 1, cell // 2)
        touched = F.max_pool2d((warped.moved > 0)[None, None].float(), cell, 1, cell // 2)
        change = torch.maximum(self.fill_strength * bare, self.strength * touched)
        if job.change is not None:
            change = change * (job.change.amax(0, keepdim=True) > 0)
        return change
