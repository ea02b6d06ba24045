"""DragDiffusion as the published code runs it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import Tensor

from scumble.controls.source_branch import SourceBranch
from scumble.controls.start import StartAt
from scumble.core.control import Control
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import EditBatch
from scumble.methods.drag.drag_diffusion import DragDiffusion
from scumble.methods.drag.latent_features import LatentFeatures
from scumble.methods.drag.optimize import mask_loss, optimize
from scumble.methods.drag.phases import dragged, frame_values, progress
from scumble.methods.drag.reference_attention import ReferenceAttention, reference_layers
from scumble.methods.drag.settings import DragResult
from scumble.methods.drag.supervision import supervision_site
from scumble.methods.official.drag_noise import free, grid, inverted, settings

__all__ = ["PRESETS", "denoised", "optimized"]


def optimized(method: DragDiffusion, batch: EditBatch, inversion: Inversion) -> DragResult:
    """Start from the inverted latent; the mask is resized to the nearest pixel."""
    ctx, mask = batch.context(inversion.levels, inversion.solver(batch.model)), free(batch)
    guidance = batch.guidance(method.prompt, method.negative_prompt, method.guidance_scale)
    site = supervision_site(batch.model.denoiser)
    network = LatentFeatures(batch.model, ctx, inversion.first, guidance, site, mask is not None)

    x, term = inversion.x_at(inversion.first), None if mask is None else mask_loss(method.mask_weight, 1 - mask)
    on_iteration = progress(batch, method.iterations)
    return optimize(x, network, grid(method, batch), settings(method, batch), term, on_iteration)


def denoised(method: DragDiffusion, batch: EditBatch, inversion: Inversion, drag: DragResult) -> Tensor:
    """The original is sampled anew from the same level; nothing corrects the inversion's errors."""
    values = frame_values(drag, method.frames)
    guidance = batch.guidance(method.prompt, method.negative_prompt, method.guidance_scale)
    controls: list[Control] = [StartAt(values, inversion.first), guidance]
    if method.reference:
        controls.append(SourceBranch(guidance, x=inversion.x_at(inversion.first)))
        layers = reference_layers(batch.model.denoiser, method.start_layer)
        controls.append(ReferenceAttention(layers, inversion.first + method.start_step))
    return replace(batch, count=len(values)).denoise(inversion.levels, inversion.solver(batch.model), controls)


def run(method: DragDiffusion, batch: EditBatch) -> Tensor | None:
    """Drag one candidate; all others are equal to it."""
    return dragged(batch, method, partial(inverted, method), partial(optimized, method), partial(denoised, method))


PRESETS = {"official": run}
