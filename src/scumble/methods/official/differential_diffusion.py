"""Differential Diffusion as the published SD2 script (diff_pipe.py) runs it."""

from __future__ import annotations

import torch
from torch import Tensor

from scumble.controls.change_map import ChangeMap, NoisedSource
from scumble.core.plms import SlicedPlms
from scumble.images import latent_map
from scumble.methods.batch import EditBatch
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion

__all__ = ["PRESETS"]


def run(method: DifferentialDiffusion, batch: EditBatch) -> Tensor:
    """Draw from the VAE's posterior, resize the map bilinearly without antialiasing, release a pixel at ``m <= i/n``
    (one step earlier than ours), and do not restore white at the end."""
    levels = batch.levels(method.num_inference_steps, method.solver)
    steps = len(levels) - 1
    asked = method.num_inference_steps if method.solver == "plms" else steps
    first = asked - min(int(asked * method.strength), asked)
    sliced = method.solver == "plms" and first > 0
    solver = SlicedPlms(levels, first) if sliced else method.make_solver(batch, steps)
    source = NoisedSource(batch.posterior_draw(), fresh=method.fresh_noise)
    keep = latent_map(_inverted_map(batch), batch.model.factor, "bilinear").to(batch.model.device)
    thresholds = torch.arange(steps - first, dtype=torch.float32, device=keep.device) / (steps - first)
    release = first + ((keep.unsqueeze(-1) > thresholds).sum(-1) - 1).clamp_min(0)
    hold = ChangeMap(release, source, nested=method.nested, skip=False, first=first, exact_end=False)
    guidance = batch.guidance(method.prompt, method.negative_prompt, method.guidance_scale)
    return batch.denoise(levels, solver, [hold, guidance])


def _inverted_map(batch: EditBatch) -> Tensor:
    """The published map, in which white keeps, to the last bit: its 8-bit values decide ties with the thresholds."""
    if batch.change is None:
        return torch.zeros(1, 1, *batch.picture.shape[2:])
    keep = 1.0 - batch.change
    rounded = (keep * 255).round() / 255
    return torch.where((keep - rounded).abs() < 1e-6, rounded, keep)


PRESETS = {"official": run}
