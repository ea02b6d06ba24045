"""Edit-friendly DDPM inversion as the published code runs it; its step rule is in ``inversion/official.py``."""

from __future__ import annotations

from torch import Tensor

from scumble.methods.batch import EditBatch
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion

__all__ = ["PRESETS"]


def run(method: DDPMInversion, batch: EditBatch) -> Tensor | None:
    """Skip 0.36, guidance 15, the last noise zeroed, and a flat color drawn weakly."""
    inversion = method.invert(batch, compat="official", inversion_start="same")
    pull = []
    if method.color is not None:
        flat = method.rgb(batch).reshape(1, 3, 1, 1).expand_as(batch.picture)
        pull = [method.pull(batch, flat, inversion.steps, strength=0.05, part=(0.3, 0.8))]
    return method.replay(batch, inversion, [*pull, method.guidance(batch, inversion, 15.0)])


PRESETS = {"official": run}
