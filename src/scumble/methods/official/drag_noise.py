"""DragNoise as the published code runs it, a fork of DragDiffusion's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from scumble.controls.start import StartAt
from scumble.core.control import Control
from scumble.core.guidance import Guidance
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.batch import EditBatch
from scumble.methods.drag.bottleneck import Bottleneck
from scumble.methods.drag.bottleneck_features import features_of
from scumble.methods.drag.drag_noise import DragNoise
from scumble.methods.drag.grid_pairs import GridPairs
from scumble.methods.drag.optimization_fields import DragByOptimization
from scumble.methods.drag.optimize import mask_loss, optimize
from scumble.methods.drag.phases import dragged, frame_values, progress
from scumble.methods.drag.pulls import grid_pairs
from scumble.methods.drag.settings import DragResult, DragSettings
from scumble.methods.drag.supervision import supervision_site
from scumble.methods.inversion_for import inversion_for

__all__ = ["PRESETS", "denoised", "free", "grid", "inverted", "optimized", "settings"]

STEPS = 50
"""The code's number of steps where it ends the replacement, whatever the run's."""


def inverted(method: DragByOptimization, batch: EditBatch) -> Inversion:
    """Plain DDIM inversion."""
    settings = InversionSettings(
        kind="ddim",
        num_inference_steps=method.num_inference_steps,
        skip=1 - method.strength,
        prompt=method.prompt,
        tolerance=0.0,
        inversion_start="same",
    )
    return inversion_for(batch, settings)


def grid(method: DragByOptimization, batch: EditBatch) -> GridPairs:
    """The points, with corners of pixels taken for centers."""
    return grid_pairs(batch, method.pairs(batch), GridPairs.as_published)


def settings(method: DragByOptimization, batch: EditBatch) -> DragSettings:
    """Stop two grid steps before the target, and always ask for a whole step."""
    return method.drag_settings(batch, arrived=2.0, longest=None)


def free(batch: EditBatch) -> Tensor | None:
    """The mask at the latent's resolution: the first pixel of each cell, as F.interpolate's nearest does it."""
    cell = batch.model.factor
    return None if batch.change is None else (batch.change > 0).float()[..., ::cell, ::cell].to(batch.model.device)


def optimized(method: DragNoise, batch: EditBatch, inversion: Inversion) -> DragResult:
    """The mask term holds the next latent; without a mask it holds everything."""
    ctx = batch.context(inversion.levels, inversion.solver(batch.model))
    i, cond, site = inversion.first, batch.embed(method.prompt), supervision_site(batch.model.denoiser)
    mask = free(batch)
    outside = 1 - (torch.zeros(1, 1, *batch.shape[2:], device=batch.model.device) if mask is None else mask)
    network = features_of(method.layer, batch.model, ctx, i, inversion.x_at(i), cond, site, whole=True)

    term, on_iteration = mask_loss(method.mask_weight, outside), progress(batch, method.iterations)
    return optimize(network.start.float(), network, grid(method, batch), settings(method, batch), term, on_iteration)


def denoised(method: DragNoise, batch: EditBatch, inversion: Inversion, drag: DragResult) -> Tensor:
    """Denoise without a correction of the inversion's errors and without a map."""
    values, cond = frame_values(drag, method.frames), batch.embed(method.prompt)
    controls: list[Control] = [
        StartAt(inversion.x_at(inversion.first), inversion.first),
        Guidance(cond, cond),
        Bottleneck(values, STEPS - method.end_steps, method.layer),
    ]
    return replace(batch, count=len(values)).denoise(inversion.levels, inversion.solver(batch.model), controls)


def run(method: DragNoise, batch: EditBatch) -> Tensor | None:
    """Drag one candidate; all others are equal to it."""
    return dragged(batch, method, partial(inverted, method), partial(optimized, method), partial(denoised, method))


PRESETS = {"official": run}
