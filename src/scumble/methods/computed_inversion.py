"""An inversion computed as settings say, or taken from an earlier edit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.noise import CounterNoise, NoiseSource
from scumble.errors import MethodError
from scumble.inversion.ddim import ddim, warm_ddim
from scumble.inversion.ddpm import naive
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.extract import Path, extract
from scumble.inversion.inversion import Inversion
from scumble.inversion.official import inversion_rules, step_rule
from scumble.inversion.settings import InversionSettings, Kind, first_step
from scumble.methods.batch import EditBatch
from scumble.methods.given_inversion import context_of
from scumble.models.runtime.base import made_with

__all__ = ["ResolvedSettings", "computed_inversion"]


class ResolvedSettings(InversionSettings):
    """Settings with every default filled in, except for ``chunk``, which memory decides."""

    kind: Kind
    num_inference_steps: int
    skip: float
    prompt: str
    guidance_scale: float
    eta: float


def computed_inversion(batch: EditBatch, settings: ResolvedSettings, noise: NoiseSource, count: int) -> Inversion:
    """The inversion as an earlier edit left it, or a new one."""
    parts = (settings.model_dump(), count, batch.size, batch.model.name)
    drawn = None if settings.kind == "ddim" else noise
    inversion = batch.reused("inversion", parts, lambda: _inverted(batch, settings, noise, count), drawn)
    return replace(inversion, seed=noise.seeds[0] if isinstance(noise, CounterNoise) else None)


def _inverted(batch: EditBatch, settings: ResolvedSettings, noise: NoiseSource, count: int) -> Inversion:
    levels, rules = batch.levels(settings.num_inference_steps), inversion_rules(settings.compat)
    first, before = first_step(settings.skip, len(levels) - 1), batch.cost.forward_rows
    by = settings.solver or "ddim"
    if by != "ddim" and (settings.kind != "edit-friendly" or settings.compat or settings.eta != 1):
        raise MethodError(f"{by} is for edit-friendly inversion, with its own noise: leave eta and compat out")
    rule = step_rule(by, settings.compat, settings.eta, batch.model.schedule, levels)
    ctx = context_of(batch, levels, rule, noise, count)
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
