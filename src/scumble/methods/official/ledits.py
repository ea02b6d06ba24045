"""LEDITS++ as diffusers' pipeline runs it, for comparison only (LEditsPPPipelineStableDiffusion, arXiv 2311.16711).

Of diffusers 0.42.1 with transformers 5: a source prompt guides the inversion with its sign turned, since what encodes
the prompts returns them in the other order; the tokens of a prompt are counted with its padding; the inversion takes
second-order steps to the end, where sampling takes its last one by first order; noise lies on levels of leading
spacing, ``steps x (1 + skip)`` of them.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise
from scumble.core.dpm_solvers import DpmSolverPP2MSde
from scumble.core.solvers import Ddim, Solver
from scumble.energies.sites import site_sizes
from scumble.errors import MethodError
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import EditBatch
from scumble.methods.inversion_based.attention_of_words import AttentionOfWords
from scumble.methods.inversion_based.implicit_guidance import ImplicitGuidance
from scumble.methods.inversion_based.ledits import LEdits
from scumble.methods.official.ledits_masks import PublishedMasks
from scumble.models.sites import sites

__all__ = ["PRESETS"]

STEPS, SKIP, SOURCE_SCALE, SCALE, THRESHOLD = 30, 0.15, 3.5, 5.0, 0.9
NEVER = 10**9
"""Steps of a run whose end is never reached: the published inversion stays of second order in its last step."""


def run(method: LEdits, batch: EditBatch) -> Tensor | None:
    """Invert the last ``N`` of ``int(N (1 + skip))`` levels of leading spacing, then add every prompt in its masks."""
    if batch.inversion is not None:
        raise MethodError("compat official inverts the image itself: leave the inversion out")
    batch = batch.without_clipping()
    inversion, solver = _inverted(method, batch)
    added = method.added(batch, SCALE if method.guidance_scale is None else method.guidance_scale)
    base = batch.embed(method.negative_prompt)
    finder = _finder(method, batch, len(added))
    guidance = ImplicitGuidance(base, base, 1.0, words=batch.placed_in_cells(added), finder=finder)
    keep = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
    noise = StoredNoise(inversion, residuals=False, offsets=False)
    return batch.denoise(inversion.levels, solver, [keep, noise, guidance])


def _inverted(method: LEdits, batch: EditBatch) -> tuple[Inversion, Solver]:
    """The path with its noise, and the rule by which the edit is sampled."""
    rule = method.solver or "ddim"
    wanted = method.num_inference_steps or STEPS
    steps = int(wanted * (1 + (SKIP if method.skip is None else method.skip)))
    levels = batch.model.schedule.changed(timestep_spacing="leading").levels(steps, rule)
    solver: Solver = Ddim(eta=1.0) if rule == "ddim" else DpmSolverPP2MSde(steps)
    walk = DpmSolverPP2MSde(NEVER) if rule != "ddim" and levels[-1].s > 0 else solver
    scale = SOURCE_SCALE if method.source_guidance_scale is None else method.source_guidance_scale
    words = batch.source_guidance(method.source_prompt or "", "", 1 - scale)
    ctx = replace(batch.context(levels, walk), noise=batch.first_noise, shape=(1, *batch.shape[1:]))
    with torch.no_grad(), batch.watch.phase("invert", wanted):
        path = edit_friendly(ctx, batch.x0, words, first=steps - wanted, mode="sequential")
    return Inversion("edit-friendly", levels, steps - wanted, path.xs, path.zs, rule=rule), solver


def _finder(method: LEdits, batch: EditBatch, count: int) -> PublishedMasks | None:
    """Masks by all tokens but the first and last, in modules of a quarter of the latent's size outside the middle."""
    masks = method.masks or "both"
    if masks == "none":
        return None
    threshold = THRESHOLD if method.edit_threshold is None else method.edit_threshold
    if masks == "difference":
        return PublishedMasks(None, True, threshold)
    denoiser, (height, width) = batch.model.denoiser, batch.shape[-2:]
    places = {site.path: site.place for site in sites(denoiser, "cross_attention")}
    grids = {
        path: grid
        for path, grid in site_sizes(denoiser, batch.shape).items()
        if grid == (height // 4, width // 4) and places[path] != "mid"
    }
    if not grids:
        raise MethodError("compat official reads attention at a quarter of the latent's size, which this network lacks")
    embeds = batch.embed("").embeds
    columns = {f"words{k}": range(1, (0 if embeds is None else embeds.shape[1]) - 1) for k in range(count)}
    return PublishedMasks(AttentionOfWords(columns, grids), masks == "both", threshold)


PRESETS = {"official": run}
