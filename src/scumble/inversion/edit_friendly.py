"""Edit-friendly DDPM inversion: independent noise at every level, all network calls at once (arXiv 2304.06140)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.errors import InputError
from scumble.inversion.extract import Path, extract, extract_sequentially

__all__ = ["Mode", "edit_friendly", "independent_path"]

Mode = Literal["parallel", "sequential"]

STREAM = "inversion"


def independent_path(ctx: RunState, x0: Tensor, first: int) -> Tensor:
    """Noise ``x0`` to every level from ``first`` on, each with its own draw (Alg. 1, line 1; the paper's eq. 6).

    The draw of a level is counted from the clean end (1 is the least noisy level) and drawn in that order, so a path
    that reaches further into the noise begins with the same draws.

    Returns:
        (N - first + 1, B, C, h, w), noisiest first, ``x0`` last.
    """
    x0 = x0.expand(ctx.shape)
    ascending = [ctx.noised(x0, ctx.normal(STREAM, ctx.steps - i), i) for i in range(ctx.steps - 1, first - 1, -1)]
    return torch.stack([*ascending[::-1], x0])


def edit_friendly(
    ctx: RunState,
    x0: Tensor,
    guidance: Guidance,
    *,
    first: int = 0,
    chunk: int | None = None,
    mode: Mode = "parallel",
    known: Path | None = None,
) -> Path:
    """Invert ``x0`` (1 or B, C, h, w).

    Args:
        ctx: The run: network, levels, noise, and a solver with noise.
        x0: The clean picture in the model's space.
        guidance: What the picture shows. Without guidance, or with an empty prompt, one row a level; else two.
        first: The steps before it are skipped: nothing is evaluated for them.
        chunk: Levels per network call; None lets the memory decide.
        mode: sequential is the published order: one call after the other on re-rounded x.
        known: The same picture's path from a later level on, made with the same draws: only what is missing is
            evaluated.

    Raises:
        InputError: If ``first`` is outside the run, or the steps have no noise (eta 0).
    """
    if not 0 <= first <= ctx.steps:
        raise InputError(f"an inversion can skip 0 to {ctx.steps} of {ctx.steps} steps, not {first}")
    if ctx.solver.name == "ddim" and getattr(ctx.solver, "eta", 0) == 0:
        raise InputError("edit-friendly inversion needs steps with noise: eta above 0 up to 1; for eta 0 use ddim")
    xs = independent_path(ctx, x0, first)
    if mode == "sequential":
        return extract_sequentially(ctx, xs, guidance, first)
    if known is None:
        return extract(ctx, xs, guidance, first, chunk)
    missing = len(xs) - len(known.xs)
    if missing <= 0:
        return known
    more = extract(ctx, xs[: missing + 1], guidance, first, chunk)
    xs = torch.cat([xs[:missing], known.xs])
    return Path(xs, torch.cat([more.zs, known.zs]), torch.cat([more.residuals, known.residuals]))
