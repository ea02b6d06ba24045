"""Turns what may act besides a method into controls of its run."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from scumble.controls.energy import EnergyGuidance, SourceRow
from scumble.controls.looking import Looker
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control
from scumble.energies.layers import site_sizes
from scumble.energies.protocol import SOURCE
from scumble.errors import InputError
from scumble.methods.job import Job
from scumble.methods.shared.also import Also, Wish

__all__ = ["compose"]


def compose(job: Job, prompt: str, also: Sequence[Also], cap: float | None = 0.5) -> list[Control]:
    """Turn what is to act besides a method into controls: shifts of the bottleneck, then ONE of all energies.

    Args:
        job: The batch.
        prompt: What the method's run is told.
        also: What is to act.
        cap: Limit of the energies' shift of eps, as a share of eps.
    """
    found = [control for one in also for control in one.controls(job, prompt)]
    guides = [guide for one in also for guide in one.guides(job, prompt) if guide.weight]
    if not guides:
        return found
    told = job.embed(prompt) if job.model.takes_text else Conditioning()
    sources: dict[str, SourceRow] = {}
    if any(guide.energy.source == SOURCE for guide in guides):
        sources[SOURCE] = _source(job, prompt, also)
    sizes = site_sizes(job.model.denoiser, job.shape) if job.model.takes_text else {}
    return [*found, EnergyGuidance(guides, told, Looker(sizes, job.model.decode), sources, cap=cap)]


def _source(job: Job, prompt: str, also: Sequence[Also]) -> SourceRow:
    if job.image is None:
        raise InputError("a wish that compares with the picture as it was needs a picture: use put, or self-guidance")
    said = next((one.source_prompt for one in also if isinstance(one, Wish) and one.source_prompt), prompt)
    if job.inversion is not None:
        path = job.inversion.to(job.model.device)
        return SourceRow(job.embed(said), lambda ctx, i: path.x_at(i))
    with torch.no_grad():
        draw = job.noise.select(0, 1).normal((1, *job.shape[1:]), "start", 0).to(job.model.device)
    x0 = job.x0
    return SourceRow(job.embed(said), lambda ctx, i: ctx.noised(x0, draw, i))
