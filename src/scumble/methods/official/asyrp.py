"""Asyrp as the published code runs it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from scumble.controls.asymmetric_step import AsymmetricStep
from scumble.controls.start import StartAt
from scumble.inversion.current_level import current_level_path, spread_levels
from scumble.methods.asyrp.asyrp import Asyrp
from scumble.methods.asyrp.joint_shift import shift_of
from scumble.methods.asyrp.solver import BoostedDdim
from scumble.methods.batch import EditBatch

__all__ = ["PRESETS"]


def run(method: Asyrp, batch: EditBatch) -> Tensor:
    """Spread the levels evenly over the timesteps, invert at the current level, never clip predictions."""
    directions, strengths, steps, t_edit, t_boost = method.settled(batch)
    guidance, plain = batch.guidance(method.prompt, "", 1.0), batch.without_clipping()
    levels, solver = spread_levels(batch.model.schedule, steps), BoostedDdim(t_boost)
    ctx = replace(plain.context(levels, solver), shape=(1, *batch.shape[1:]))
    with torch.no_grad():
        xs = current_level_path(ctx, batch.x0, guidance)
    step = AsymmetricStep(shift_of(directions, strengths, steps), t_edit, guidance)
    return plain.denoise(levels, solver, [StartAt(xs[0], 0), guidance, step])


PRESETS = {"official": run}
