"""Blended Latent Diffusion as the published SD2 script (text_editing_SD2.py) runs it."""

from __future__ import annotations

from torch import Tensor

from scumble.controls.change_map import NoisedSource
from scumble.core.schedule import Schedule
from scumble.core.solvers import Ddim
from scumble.methods.batch import EditBatch
from scumble.methods.inpainting.background_blend import LateBlend
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion

__all__ = ["PRESETS"]


def run(method: BlendedLatentDiffusion, batch: EditBatch) -> Tensor:
    """Start from pure noise at any level, step to timestep 0 on a schedule of its own, and leave the background one
    level too noisy, at the end too."""
    rules = {"_class_name": "DDIMScheduler", "timestep_spacing": "leading", "steps_offset": 0}
    config = {**batch.model.schedule.config, **rules, "set_alpha_to_one": False}
    levels = Schedule.from_config(config).levels(method.num_inference_steps)
    first, mask = int(method.num_inference_steps * (method.skip or 0.0)), method.mask(batch)
    source = NoisedSource(batch.x0, fresh=True)
    blend = LateBlend(lambda i: mask, mask, source, first, from_noise=True, exact_end=False)
    guidance = batch.guidance(method.prompt, method.negative_prompt, method.guidance_scale)
    return batch.denoise(levels, Ddim(), [blend, guidance])


PRESETS = {"official": run}
