"""The inversion a method needs: the given one, checked and extended, or a new one made as the settings say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.noise import CounterNoise, NoiseSource
from scumble.core.schedule import Level
from scumble.core.solvers import Solver
from scumble.errors import InputError, MethodError
from scumble.inversion.ddim import ddim, warm_ddim
from scumble.inversion.ddpm import naive
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.extract import Path, extract
from scumble.inversion.inversion import Inversion
from scumble.inversion.official import inversion_rules, step_rule
from scumble.inversion.settings import InversionSettings, Kind, first_step
from scumble.methods.batch import EditBatch
from scumble.methods.cache import Key
from scumble.methods.defaults import default_skip
from scumble.models.runtime.base import made_with

__all__ = ["INVERSION", "inversion_for"]

INVERSION: Key[Inversion] = Key("inversion")
"""The one that all candidates share."""
GIVEN: Key[Inversion] = Key("given inversion")
"""The one that was given, on the model's device."""
EXTENDED: Key[Inversion] = Key("extended inversion")
"""The one that was given, with the levels that it lacked."""


FIELDS = {
    "kind": "trajectory",
    "num_inference_steps": "num_inference_steps",
    "skip": "skip",
    "prompt": "source_prompt",
    "guidance_scale": "source_guidance_scale",
    "eta": "eta",
}
"""Setting -> field of methods that leave it to the default."""


class _Resolved(InversionSettings):
    """Settings with every default filled in, except for ``chunk``, which memory decides."""

    kind: Kind
    num_inference_steps: int
    skip: float
    prompt: str
    guidance_scale: float
    eta: float


def inversion_for(batch: EditBatch, settings: InversionSettings, shared: bool = False) -> Inversion:
    """Return the inversion that was given with the batch, or compute one.

    An inversion that all candidates share is made once per edit, and kept in ``batch.cache``.

    Args:
        job: The batch.
        settings: How to invert, and what a given inversion must agree with.
        shared: One path for all candidates, that of the first seed; else each has its own (ddim has only one).

    Raises:
        InputError: If the given inversion does not fit the settings, the model, its levels or the image's shape.
        MethodError: If it is of another kind than the method needs.
    """
    if batch.inversion is not None:
        return _use_given(batch, settings, batch.inversion)
    resolved = _resolved(batch, settings)
    if not (shared or resolved.kind == "ddim"):
        return _invert(batch, resolved, batch.noise, batch.count)
    if resolved.kind != "ddim":
        batch.say_shared("the inversion")
    return batch.cache.get_or_make(INVERSION, lambda: _invert(batch, resolved, batch.first_noise, 1))


def _resolved(batch: EditBatch, settings: InversionSettings) -> _Resolved:
    kind = settings.kind or "edit-friendly"
    skip = inversion_rules(settings.compat).skip
    if skip is None or kind == "ddim":
        skip = default_skip(batch.model, kind)
    steps = batch.default_steps
    defaults = {"num_inference_steps": steps, "skip": skip, "prompt": "", "guidance_scale": 1.0, "eta": 1.0}
    missing = {name: value for name, value in defaults.items() if getattr(settings, name) is None}
    fixed = {"kind": kind, **({"eta": 0.0} if kind == "ddim" else {})}
    resolved = _Resolved(**{**settings.model_dump(), **missing, **fixed})
    for name, called in FIELDS.items():
        batch.use(called, getattr(resolved, name))
    return resolved


def _invert(batch: EditBatch, settings: _Resolved, noise: NoiseSource, count: int) -> Inversion:
    """The inversion as an earlier edit left it, or a new one."""
    parts = (settings.model_dump(), count, batch.size, batch.model.name)
    drawn = None if settings.kind == "ddim" else noise
    inversion = batch.reused("inversion", parts, lambda: _inverted(batch, settings, noise, count), drawn)
    return replace(inversion, seed=noise.seeds[0] if isinstance(noise, CounterNoise) else None)


def _inverted(batch: EditBatch, settings: _Resolved, noise: NoiseSource, count: int) -> Inversion:
    levels, rules = batch.levels(settings.num_inference_steps), inversion_rules(settings.compat)
    first, before = first_step(settings.skip, len(levels) - 1), batch.cost.forward_rows
    by = settings.solver or "ddim"
    if by != "ddim" and (settings.kind != "edit-friendly" or settings.compat or settings.eta != 1):
        raise MethodError(f"{by} is for edit-friendly inversion, with its own noise: leave eta and compat out")
    rule = step_rule(by, settings.compat, settings.eta, batch.model.schedule, levels)
    ctx = _context(batch, levels, rule, noise, count)
    rows = (len(levels) - 1 - first) * (settings.iterations + settings.offsets)
    guidance = batch.source_guidance(settings.prompt, "", settings.guidance_scale)
    with torch.no_grad(), batch.watch.phase("invert", rows):
        path, report = _path(ctx, batch.x0, guidance, first, settings)
    zs, residuals = rules.stored(path)
    runtime, precision = made_with(batch.model)
    return Inversion(
        kind=settings.kind,
        levels=levels,
        first=first,
        xs=path.xs,
        zs=None if settings.kind == "ddim" else zs,
        residuals=residuals,
        prompt=settings.prompt,
        guidance_scale=settings.guidance_scale,
        eta=settings.eta,
        rule=by,
        compat=settings.compat,
        model=batch.model.name,
        model_sha256=batch.model.weights_hash,
        size=batch.size,
        runtime=runtime,
        precision=precision,
        report={
            **report,
            "forward_rows": batch.cost.forward_rows - before,
            "settings": settings.model_dump(exclude_none=True),
        },
    )


def _path(
    ctx: RunState, x0: Tensor, guidance: Guidance, first: int, settings: InversionSettings
) -> tuple[Path, dict[str, Any]]:
    """Walk from the clean image to the noisiest level of the path, by the kind of inversion."""
    if settings.kind == "edit-friendly":
        return edit_friendly(ctx, x0, guidance, first=first, chunk=settings.chunk, mode=settings.mode), {}
    if settings.kind == "naive":
        return naive(ctx, x0, guidance, first=first, chunk=settings.chunk), {}
    walk = warm_ddim if settings.inversion_start == "warm" else ddim
    pivot = walk(ctx, x0, guidance, first=first, iterations=settings.iterations, tolerance=settings.tolerance)
    report = {"fixed_point_residual": pivot.residual, "evaluations": pivot.evaluations}
    if settings.offsets:
        return extract(ctx, pivot.xs, guidance, first, settings.chunk), report
    return Path(pivot.xs, pivot.xs[:0], pivot.xs[:0]), report


def _context(batch: EditBatch, levels: tuple[Level, ...], solver: Solver, noise: NoiseSource, count: int) -> RunState:
    ctx = batch.context(levels, solver)
    return replace(ctx, noise=noise, shape=(count, *ctx.shape[1:]))


def _use_given(batch: EditBatch, settings: InversionSettings, given: Inversion) -> Inversion:
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
    ctx = _context(batch, given.levels, given.solver(batch.model), CounterNoise([given.seed]), 1)
    residuals = torch.zeros_like(given.zs) if given.residuals is None else given.residuals
    known, guidance = Path(given.xs, given.zs, residuals), batch.source_guidance(given.prompt, "", given.guidance_scale)
    with torch.no_grad(), batch.watch.phase("invert", given.first - first):
        path = edit_friendly(ctx, given.x0, guidance, first=first, chunk=chunk, known=known)
    return replace(given, first=first, xs=path.xs, zs=path.zs, residuals=path.residuals, error={})
