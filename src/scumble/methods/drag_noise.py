"""DragNoise: points are dragged by optimising the U-Net's bottleneck at one step (arXiv 2404.01050)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from scumble.controls.bottleneck import Begin, Bottleneck
from scumble.controls.guidance import Guidance
from scumble.controls.stored import StoredNoise
from scumble.core.control import Control
from scumble.drag.looks import BottleneckLook, LayerLook
from scumble.drag.optimise import Drag, Look, optimise
from scumble.inversion.trajectory import Inversion
from scumble.methods.job import Job
from scumble.methods.shared.dragged import Dragged
from scumble.methods.shared.obtained import obtain

__all__ = ["DragNoise"]


class DragNoise(Dragged):
    """Drag points by changing what the network knows of the picture's structure, and nothing of its noise."""

    paper: ClassVar[str] = "DragNoise, arXiv 2404.01050"

    mask_term: Literal["bottleneck", "latent"] = "bottleneck"
    """What the mask term holds: the bottleneck, as in the paper, or the next latent, as in the published code, which
    needs the whole decoder."""
    end_steps: int = Field(default=0, ge=0, le=1000)
    """The last so many steps run without the dragged bottleneck: more gives finer detail, too many undo the drag."""
    layer: str = "mid_block"
    """The layer that is optimised and carried on; another one than the bottleneck is for comparisons."""

    def drag(self, job: Job) -> Tensor | None:
        """Optimise the bottleneck at the step of ``strength``, then denoise with it."""
        inversion = obtain(job, self.plan(job))
        if inversion.first == inversion.steps:
            return None
        found = self.search(job, inversion)
        return self.finished(job, self.render(job, inversion, found), found)

    def search(self, job: Job, inversion: Inversion) -> Drag:
        """Optimise. Without a mask there is no mask term; the published code then holds everything."""
        ctx = job.context(inversion.levels, inversion.solver(job.model))
        official = self.compat == "official"
        held = None if job.change is None and not official else 1 - self._mask(job)
        whole = held is not None and (self.mask_term == "latent" or official)
        own, cond = inversion.x_at(inversion.first), job.embed(self.prompt)

        def looking(x: Tensor) -> BottleneckLook | LayerLook:
            if self.layer == "mid_block":
                return BottleneckLook(job.model, ctx, inversion.first, x, cond, self.site(job), whole)
            return LayerLook(job.model, ctx, inversion.first, x, cond, self.site(job), self.layer, whole)

        def original() -> Look:
            before = looking(own)
            return before(before.start)

        look = looking(self.begin(job, inversion))
        start = look.start.float()

        def preserve(h: Tensor, seen: Look, first: Look) -> Tensor:
            assert held is not None
            if seen.after is not None and first.after is not None:
                return self.mask_weight * ((seen.after - first.after) * held).abs().sum()
            kept = F.adaptive_avg_pool2d(held, (h.shape[-2], h.shape[-1]))
            return self.mask_weight * ((h - start) * kept).abs().mean(1).sum()

        term = None if held is None else preserve
        followed = original if self.pulls else None
        return optimise(start, look, self.grid(job), self.settings(job), term, self.progress(job), followed)

    def _mask(self, job: Job) -> Tensor:
        """Where the mask frees the latent. None drawn: nothing free, which only the published code asks for."""
        if job.change is None:
            return torch.zeros(1, 1, *job.shape[2:], device=job.model.device)
        if self.compat == "official":  # nearest, as F.interpolate does it: the first pixel of each cell
            return (job.change > 0).float()[..., :: job.model.factor, :: job.model.factor].to(job.model.device)
        return (job.latent_change("max") > 0).float()

    def render(self, job: Job, inversion: Inversion, found: Drag) -> Tensor:
        """Denoise with the dragged bottleneck, every kept state on the way in one batch; the result is the last row."""
        values = torch.cat(self.chosen(found))
        official = self.compat == "official"
        until = (50 if official else inversion.steps) - self.end_steps  # the code's 50 steps are a constant
        begin = Begin(self.begin(job, inversion), inversion.first)
        cond = job.embed(self.prompt)
        controls: list[Control] = [begin, *self.hold(job, inversion), Guidance(cond, cond)]
        if not official:
            controls.append(StoredNoise(inversion))
        if found.updates or official:
            controls.append(Bottleneck(values, until, self.layer))
        return replace(job, batch=len(values)).denoise(inversion.levels, inversion.solver(job.model), controls)
