"""SDEdit as diffusers' img2img pipeline runs it; with a change map, as its inpainting pipeline does."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from scumble.controls.change_map import NoisedSource
from scumble.core.control import RunState
from scumble.core.plms import SlicedPlms
from scumble.methods.batch import EditBatch
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.placed_levels import levels_of_run

__all__ = ["PRESETS"]


class FromNoise(NoisedSource):
    """The noised source, but at the first level the draw alone: inpainting at strength 1 begins there everywhere."""

    def __call__(self, ctx: RunState, index: int) -> Tensor:
        """Return the draw at the first level, and the noised source at the others."""
        source = super().__call__(ctx, index)
        return source if index > 0 or self.eps is None else self.eps


def run(method: SDEdit, batch: EditBatch) -> Tensor | None:
    """Start from a draw of the VAE's posterior, and round the number of steps down: 0.29 of 100 steps gives 28.

    A network that reads its guidance has a pipeline of its own (LCM), which places all steps below the strength.
    """
    if getattr(batch.model, "reads_guidance", False) and batch.model.schedule.places_levels(method.solver):
        placed, first, batch = levels_of_run(replace(batch, substeps=None), method.num_inference_steps, method.solver,
                                     method.strength)  # fmt: skip
        return method.redraw(replace(batch, substeps=False), placed, first, batch.posterior_draw())
    levels = batch.levels(method.num_inference_steps, method.solver)
    steps = method.num_inference_steps if method.solver == "plms" else len(levels) - 1
    run = int(steps * method.strength)
    sliced = SlicedPlms(levels, steps - run) if method.solver == "plms" and run < steps else None
    first = steps - run if run else len(levels) - 1
    begun = FromNoise if batch.change is not None and method.strength == 1 else None
    return method.redraw(batch, levels, first, batch.posterior_draw(), begun, sliced)


PRESETS = {"diffusers": run}
