"""SDEdit as diffusers' img2img pipeline runs it."""

from __future__ import annotations

from torch import Tensor

from scumble.methods.batch import EditBatch
from scumble.methods.img2img.sdedit import SDEdit

__all__ = ["PRESETS"]


def run(method: SDEdit, batch: EditBatch) -> Tensor | None:
    """Start from a draw of the VAE's posterior, and round the number of steps down: 0.29 of 100 steps gives 28."""
    levels = batch.levels(method.num_inference_steps, method.solver)
    steps = len(levels) - 1
    return method.redraw(batch, levels, steps - int(steps * method.strength), batch.posterior_draw())


PRESETS = {"diffusers": run}
