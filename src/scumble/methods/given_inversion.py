"""A given inversion, checked against the settings and extended by the levels it lacks."""

from __future__ import annotations

from dataclasses import replace

import torch

from scumble.core.control import RunState
from scumble.core.noise import CounterNoise, NoiseSource
from scumble.core.schedule import Level
from scumble.core.solver import Solver
from scumble.errors import InputError, MethodError
from scumble.hashing import tensors_sha256
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.extract import Path
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings, first_step
from scumble.methods.batch import EditBatch
from scumble.methods.cache import Key

__all__ = ["context_of", "use_given"]

GIVEN: Key[Inversion] = Key("given inversion")
"""The one that was given, on the model's device."""
EXTENDED: Key[Inversion] = Key("extended inversion")
"""The one that was given, with the levels that it lacked."""


def context_of(batch: EditBatch, levels: tuple[Level, ...], solver: Solver, noise: NoiseSource, count: int) -> RunState:
    """A fresh context of a run whose noise and number of rows are the inversion's."""
    ctx = batch.context(levels, solver)
    return replace(ctx, noise=noise, shape=(count, *ctx.shape[1:]))


def use_given(batch: EditBatch, settings: InversionSettings, given: Inversion) -> Inversion:
    """Check a given inversion against the settings, and compute the levels it lacks."""
    if settings.kind is not None and given.kind != settings.kind:
        raise MethodError(f"this method needs an inversion of the kind {settings.kind}, the one given is {given.kind}")
    given.fits(batch.model, batch.levels(settings.num_inference_steps or given.steps), batch.shape)
    compared = {
        "source_prompt": (settings.prompt, given.prompt),
        "eta": (settings.eta, given.eta),
        "solver": (settings.solver, given.rule),
        "source_guidance_scale": (settings.guidance_scale, given.guidance_scale),
    }
    for name, (wanted, stored) in compared.items():
        if wanted is not None and wanted != stored:
            raise InputError(
                f"the inversion was made with {name} {stored!r}, not {wanted!r}: leave it out, or invert again"
            )
    inversion = given
    if given.xs.device != torch.device(batch.model.device):
        inversion = batch.cache.get_or_make(GIVEN, lambda: given.to(batch.model.device))
    if settings.skip is None:
        return inversion
    first = first_step(settings.skip, inversion.steps)
    if first >= inversion.first:
        return inversion.since(first)
    return batch.cache.get_or_make(EXTENDED, lambda: _extend(batch, inversion, first, settings.chunk))


def _extend(batch: EditBatch, given: Inversion, first: int, chunk: int | None) -> Inversion:
    """The same inversion from an earlier level on: its draws do not depend on where it begins."""
    if given.kind != "edit-friendly" or given.seed is None or given.zs is None or given.compat or given.rule != "ddim":
        raise InputError(
            f"the {given.kind} inversion skips {given.first} of {given.steps} steps, {first} are asked for:"
            f" use skip {given.first / given.steps:g} or more, or invert again"
        )
    ctx = context_of(batch, given.levels, given.solver(batch.model), CounterNoise([given.seed]), 1)
    residuals = torch.zeros_like(given.zs) if given.residuals is None else given.residuals
    known, guidance = Path(given.xs, given.zs, residuals), batch.source_guidance(given.prompt, "", given.guidance_scale)

    def walk() -> Path:
        with torch.no_grad(), batch.watch.phase("invert", given.first - first):
            return edit_friendly(ctx, given.x0, guidance, first=first, chunk=chunk, known=known)

    stored = tensors_sha256({"xs": given.xs, "zs": given.zs, "residuals": residuals})
    parts = (stored, given.levels, given.first, first, given.prompt, given.guidance_scale, given.eta, chunk)
    path = batch.reused("inversion's first levels", parts, walk, ctx.noise)
    return replace(given, first=first, xs=path.xs, zs=path.zs, residuals=path.residuals, error={})
