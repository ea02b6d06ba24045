"""Where a method's inversion comes from: the one that was given, checked and made up, or one made as planned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from scumble.core.control import RunState
from scumble.core.noise import CounterNoise, NoiseSource
from scumble.core.schedule import Level
from scumble.core.solvers import Ddim, Solver
from scumble.errors import InputError, MethodError
from scumble.inversion.ddim import ddim
from scumble.inversion.ddpm import naive
from scumble.inversion.edit_friendly import as_published, edit_friendly
from scumble.inversion.extract import Path, extract
from scumble.inversion.inversion import Inversion, Kind
from scumble.inversion.official import OfficialDdim
from scumble.methods.batch import EditBatch
from scumble.methods.defaults import default_skip
from scumble.methods.once import once

__all__ = ["InversionSettings", "first_step", "inversion_for"]


@dataclass(frozen=True)
class InversionSettings:
    """What inversion is wanted. None stands for the usual value, or for that of the inversion that was given.

    Attributes:
        kind: edit-friendly, naive or ddim; None: edit-friendly, or whatever was given.
        steps: N; 50.
        skip: Share of the steps that is not run, in [0, 1]; None: see ``usual_skip``.
        prompt: What the picture shows; empty.
        guidance_scale: Guidance while inverting; 1.
        eta: In (0, 1]; 1 (0 for ddim).
        iterations: Fixed-point iterations of a ddim level.
        tolerance: They stop when no element moves by more.
        offsets: ddim: also find what each step misses of the path (direct inversion), M rows more.
        chunk: Levels per network call; None lets the memory decide.
        mode: sequential for the published order of calls.
        compat: official for the published quirks.
        shared: One path for all candidates, that of the first seed; else each has its own.
    """

    kind: Kind | None = None
    steps: int | None = None
    skip: float | None = None
    prompt: str | None = None
    guidance_scale: float | None = None
    eta: float | None = None
    iterations: int = 1
    tolerance: float = 0.0
    offsets: bool = False
    chunk: int | None = None
    mode: Literal["parallel", "sequential"] = "parallel"
    compat: Literal["official"] | None = None
    shared: bool = False


def first_step(skip: float, steps: int) -> int:
    """Index of the first step of a run that skips a share of its steps: ``round(skip N)``.

    Raises:
        InputError: If the share is not in [0, 1].
    """
    if not 0 <= skip <= 1:
        hint = f"; {skip:g} of {steps} steps is {skip / steps:g}" if 1 < skip <= steps else ""
        raise InputError(f"skip is the share of the steps that is not run, 0 to 1, got {skip:g}{hint}")
    return round(skip * steps)


def inversion_for(batch: EditBatch, plan: InversionSettings) -> Inversion:
    """Return the inversion that was given with the batch, or make the one that is planned.

    An inversion of one path for all candidates is made once per edit, and kept in ``batch.shared``.

    Raises:
        InputError: If the given inversion does not fit the plan, the model, its levels or the picture's shape.
        MethodError: If it is of another kind than the method needs.
    """
    if batch.inversion is not None:
        return _adopt(batch, plan, batch.inversion)
    kind = plan.kind or "edit-friendly"
    if not (plan.shared or kind == "ddim"):
        return _invert(batch, plan, kind, batch.noise, batch.count)
    return once(batch.shared, "inversion", lambda: _invert(batch, plan, kind, batch.noise.select(0, 1), 1))


def _invert(batch: EditBatch, plan: InversionSettings, kind: Kind, noise: NoiseSource, count: int) -> Inversion:
    levels = batch.levels(50 if plan.steps is None else plan.steps)
    steps = len(levels) - 1
    eta = 0.0 if kind == "ddim" else 1.0 if plan.eta is None else plan.eta
    skip = default_skip(batch.model, kind, plan.compat) if plan.skip is None else plan.skip
    prompt, scale = plan.prompt or "", 1.0 if plan.guidance_scale is None else plan.guidance_scale
    first, before = first_step(skip, steps), batch.cost.forward_rows
    solver: Solver = Ddim(eta=eta)
    if plan.compat == "official":
        solver = OfficialDdim(eta, batch.model.schedule, steps, levels[-1])
    ctx = _context(batch, levels, solver, noise, count)
    guidance = batch.guidance(prompt, "", scale)
    report: dict[str, Any] = {}
    with torch.no_grad():
        if kind == "edit-friendly":
            path = edit_friendly(ctx, batch.x0, guidance, first=first, chunk=plan.chunk, mode=plan.mode)
        elif kind == "naive":
            path = naive(ctx, batch.x0, guidance, first=first, chunk=plan.chunk)
        else:
            pivot = ddim(ctx, batch.x0, guidance, first=first, iterations=plan.iterations, tolerance=plan.tolerance)
            path = Path(pivot.xs, pivot.xs[:0], pivot.xs[:0])
            report = {"fixed_point_residual": pivot.residual, "evaluations": pivot.evaluations}
            if plan.offsets:
                path = extract(ctx, pivot.xs, guidance, first, plan.chunk)
    if plan.compat == "official":
        path = as_published(path)
    exact = plan.compat is None and len(path.residuals) > 0
    return Inversion(
        kind=kind,
        levels=levels,
        first=first,
        xs=path.xs,
        zs=None if kind == "ddim" else path.zs,
        residuals=path.residuals if exact else None,
        prompt=prompt,
        guidance_scale=scale,
        eta=eta,
        seed=noise.seeds[0] if isinstance(noise, CounterNoise) else None,
        compat=plan.compat,
        model=batch.model.name,
        model_sha256=batch.model.weights_hash,
        size=batch.size,
        report={**report, "forward_rows": batch.cost.forward_rows - before},
    )


def _context(batch: EditBatch, levels: tuple[Level, ...], solver: Solver, noise: NoiseSource, count: int) -> RunState:
    ctx = batch.context(levels, solver)
    return replace(ctx, noise=noise, shape=(count, *ctx.shape[1:]))


def _adopt(batch: EditBatch, plan: InversionSettings, given: Inversion) -> Inversion:
    """Check a given inversion against what is wanted, and make up the levels it lacks."""
    if plan.kind is not None and given.kind != plan.kind:
        raise MethodError(f"this method needs an inversion of the kind {plan.kind}, the one given is {given.kind}")
    given.fits(batch.model, batch.levels(plan.steps or given.steps), batch.shape)
    said = {"source_prompt": (plan.prompt, given.prompt), "eta": (plan.eta, given.eta)}
    said["source_guidance_scale"] = (plan.guidance_scale, given.guidance_scale)
    for name, (wanted, own) in said.items():
        if wanted is not None and wanted != own:
            raise InputError(
                f"the inversion was made with {name} {own!r}, not {wanted!r}: leave it out, or invert again"
            )
    if given.xs.device != torch.device(batch.model.device):
        elsewhere = given
        given = once(batch.shared, "moved", lambda: elsewhere.to(batch.model.device))
    if plan.skip is None:
        return given
    first = first_step(plan.skip, given.steps)
    if first >= given.first:
        return given.since(first)
    short = given
    return once(batch.shared, "inversion", lambda: _extended(batch, plan, short, first))


def _extended(batch: EditBatch, plan: InversionSettings, given: Inversion, first: int) -> Inversion:
    """The same inversion from an earlier level on: its draws do not depend on where it begins."""
    if given.kind != "edit-friendly" or given.seed is None or given.compat is not None:
        raise InputError(
            f"the {given.kind} inversion skips {given.first} of {given.steps} steps, {first} are asked for:"
            f" use skip {given.first / given.steps:g} or more, or invert again"
        )
    ctx = _context(batch, given.levels, given.solver(batch.model), CounterNoise([given.seed]), 1)
    assert given.zs is not None
    residuals = torch.zeros_like(given.zs) if given.residuals is None else given.residuals
    known, guidance = Path(given.xs, given.zs, residuals), batch.guidance(given.prompt, "", given.guidance_scale)
    with torch.no_grad():
        path = edit_friendly(ctx, given.x0, guidance, first=first, chunk=plan.chunk, known=known)
    return replace(given, first=first, xs=path.xs, zs=path.zs, residuals=path.residuals, error={})
