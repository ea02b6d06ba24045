"""LEDITS++ as diffusers' pipeline runs it, for comparison only (LEditsPPPipelineStableDiffusion, arXiv 2311.16711).

Of diffusers 0.42.1 with transformers 5: a source prompt guides the inversion with its sign turned, since what encodes
the prompts returns them in the other order; the tokens of a prompt are counted with its padding; the inversion takes
second-order steps to the end, where sampling takes its last one by first order; noise lies on levels of leading
spacing, ``steps x (1 + skip)`` of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise
from scumble.core.control import RunState
from scumble.core.dpm_solvers import DpmSolverPP2MSde
from scumble.core.solvers import Ddim, Solver
from scumble.energies.sites import site_sizes
from scumble.errors import MethodError
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import EditBatch
from scumble.methods.inversion_based.implicit_masks import AttentionOfWords, ImplicitGuidance
from scumble.methods.inversion_based.ledits import LEdits
from scumble.models.sites import sites
from scumble.models.taps import Tap

__all__ = ["PRESETS", "PublishedMasks"]

STEPS, SKIP, SOURCE_SCALE, SCALE, THRESHOLD = 30, 0.15, 3.5, 5.0, 0.9
NOISY = 800
"""Time above which only attention makes the mask."""
NEVER = 10**9
"""Steps of a run whose end is never reached: the published inversion stays of second order in its last step."""


@dataclass
class PublishedMasks:
    """Masks cut at a quantile: smoothed attention at a quarter of the latent's size, and the size of the change.

    Args:
        attention: Of the concept's tokens; None: not asked.
        difference: Whether the size of the change counts.
        threshold: The quantile lambda.
    """

    attention: AttentionOfWords | None
    difference: bool
    threshold: float

    def taps(self, ctx: RunState) -> Sequence[Tap]:
        """What attention is read by."""
        return () if self.attention is None else self.attention.taps(ctx)

    def find(self, ctx: RunState, row: str, change: Tensor) -> Tensor | float:
        """Both masks where both are asked for; at much noise the one of attention alone."""
        mask: Tensor | float = 1.0
        if self.attention is not None:
            looks = torch.stack(list(self.attention.of(row).values())).mean(0)
            near = self._above(_smoothed(looks))
            mask = F.interpolate(near, change.shape[-2:])
        if self.difference and (self.attention is None or ctx.level.t <= NOISY):
            mask = mask * self._above(change.abs().sum(1, keepdim=True))
        return mask

    def _above(self, values: Tensor) -> Tensor:
        quantile = torch.quantile(values.flatten(1).float(), self.threshold, dim=1)
        return (values >= quantile[:, None, None, None]).to(values)


def _smoothed(maps: Tensor) -> Tensor:
    """A Gaussian of 3 x 3, its width twice the stated 0.5: the published exponent has it squared in the wrong place."""
    offsets = torch.tensor([-1.0, 0.0, 1.0], device=maps.device)
    line = torch.exp(-((offsets / (2 * 0.5)) ** 2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="reflect"), kernel[None, None].to(maps))


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
