"""Turns what may act besides a method into controls of its run."""

from __future__ import annotations

from collections.abc import Sequence

from scumble.controls.activation_reader import ActivationReader
from scumble.controls.change_map import NoisedSource
from scumble.controls.energy_guidance import EnergyGuidance
from scumble.controls.energy_sources import SourceRow
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control
from scumble.energies.protocol import SOURCE
from scumble.energies.sites import site_sizes
from scumble.errors import InputError
from scumble.methods.batch import EditBatch
from scumble.methods.extras.attention_targets import LayoutTarget
from scumble.methods.extras.extra import Extra

__all__ = ["extra_controls"]


def extra_controls(batch: EditBatch, prompt: str, also: Sequence[Extra], cap: float | None = 0.5) -> list[Control]:
    """Turn what is to act besides a method into controls: shifts of the bottleneck, then ONE of all energies.

    Args:
        batch: The batch.
        prompt: The prompt of the run.
        also: What is to act.
        cap: Limit of the energies' shift of eps, as a share of eps.
    """
    controls = [control for one in also for control in one.controls(batch, prompt)]
    guides = [guide for one in also for guide in one.guides(batch, prompt) if guide.weight]
    if not guides:
        return controls
    cond = batch.embed(prompt) if batch.model.takes_text else Conditioning()
    sources: dict[str, SourceRow] = {}
    if any(guide.energy.source == SOURCE for guide in guides):
        sources[SOURCE] = _source(batch, prompt, also)
    sizes = site_sizes(batch.model.denoiser, batch.shape) if batch.model.takes_text else {}
    return [*controls, EnergyGuidance(guides, cond, ActivationReader(sizes, batch.model.decode), sources, cap=cap)]


def _source(batch: EditBatch, prompt: str, also: Sequence[Extra]) -> SourceRow:
    if batch.image is None:
        raise InputError("a wish that compares with the picture as it was needs a picture: use put, or self-guidance")
    stated = [one.source_prompt for one in also if isinstance(one, LayoutTarget)]
    source_prompt = next(filter(None, stated), prompt)
    if batch.inversion is not None:
        path = batch.inversion.to(batch.model.device)
        return SourceRow(batch.embed(source_prompt), path.rows)
    return SourceRow(batch.embed(source_prompt), NoisedSource(batch.x0))
