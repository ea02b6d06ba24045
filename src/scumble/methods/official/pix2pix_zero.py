"""pix2pix-zero as the published code runs it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from scumble.controls.start import StartAt
from scumble.core.guidance import Guidance
from scumble.core.solvers import Ddim
from scumble.methods.attention.attention_match import PUBLISHED_RATE
from scumble.methods.attention.attention_reference import WalkingReference
from scumble.methods.attention.pix2pix_zero import Pix2PixZero
from scumble.methods.batch import EditBatch
from scumble.methods.official.twin_match import TwinMatch
from scumble.methods.official.whitened_walk import published_walk
from scumble.models.sites import sites

__all__ = ["PRESETS"]


def run(method: Pix2PixZero, batch: EditBatch) -> Tensor:
    """Invert a draw of the VAE's posterior one level off at both ends; follow the unguided copy, which is pulled to
    the source's own attention."""
    caption, _, guidance = method.prompts(batch, 5.0)
    levels, x = batch.levels(method.num_inference_steps), batch.noise.normal(batch.shape, "start", 0)
    if batch.image is not None or batch.inversion is not None:
        ctx, plain = batch.context(levels, Ddim()), Guidance(caption, caption, 1.0)
        regulate = method.regularizer(batch.noise)
        with torch.no_grad(), batch.watch.phase("invert", method.num_inference_steps):
            x = published_walk(ctx, batch.posterior_draw(), plain, regulate, batch.model.schedule)[-1]
    paths = [site.path for site in sites(batch.model.denoiser, "cross_attention")]
    reference = WalkingReference(replace(guidance, cond=caption), x)
    rate = PUBLISHED_RATE if method.cross_attention is None else method.cross_attention
    match = TwinMatch(paths, reference, guidance.cond, rate, uncond=guidance.uncond)
    return batch.denoise(levels, Ddim(), [StartAt(x, 0), guidance, match])


PRESETS = {"official": run}
