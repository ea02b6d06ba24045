"""DiffuseIT as the published code runs it."""

from __future__ import annotations

from torch import Tensor

from scumble.core.control import RunState
from scumble.methods.batch import EditBatch
from scumble.methods.guidance.diffuseit import DiffuseIT
from scumble.methods.guidance.resample import Resample

__all__ = ["PRESETS"]

DEFAULTS = {"solver": "ddpm", "skip": 0.4, "divergence_weight": 100.0, "clip_weight": 2000.0}


class OfficialResample(Resample):
    """Noise the step back with the beta of the step after it, instead of its own."""

    def renoising(self, ctx: RunState) -> tuple[float, float]:
        """Factor and variance of the next level."""
        scale = ctx.next_level.a / ctx.levels[ctx.i + 2].a
        return scale, 1 - scale**2


def run(method: DiffuseIT, batch: EditBatch) -> Tensor:
    """The paper's defaults for any model, no limit on the gradient, and predictions that are never clipped."""
    method = method.model_copy(update={k: v for k, v in DEFAULTS.items() if getattr(method, k) is None})

    def sample(one: EditBatch, tag: str, watched: bool) -> Tensor:
        return method.sample(one.without_clipping(), tag, watched, None, OfficialResample)

    return method.attempts(batch, sample)


PRESETS = {"official": run}
