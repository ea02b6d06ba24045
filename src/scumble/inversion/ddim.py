"""DDIM inversion: the noise from which deterministic sampling leads back to the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.errors import InputError
from scumble.inversion.extract import guided

__all__ = ["Pivot", "ddim", "warm_ddim"]


@dataclass(frozen=True)
class Pivot:
    """A DDIM path.

    Attributes:
        xs: (N - first + 1, B, C, h, w), noisiest first, the clean picture last.
        residual: Largest change of x in the last fixed-point iteration of any level; 0 steps: 0.
        evaluations: Network evaluations of one picture.
    """

    xs: Tensor
    residual: float
    evaluations: int


def ddim(
    ctx: RunState, x0: Tensor, guidance: Guidance, *, first: int = 0, iterations: int = 1, tolerance: float = 0.0
) -> Pivot:
    """Walk from ``x0`` (1 or B, C, h, w) up to level ``first`` (arXiv 2010.02502 section 4.3).

    The exact inverse of a step needs the prediction at the x that is sought. One iteration takes the prediction at
    the x before it, with the sought level's time, as diffusers' inverse scheduler does; more iterations put the
    result in again, which comes closer to the exact inverse as long as each changes x by less than the one before.
    :func:`warm_ddim` begins each level closer to it.

    Args:
        ctx: The run (its solver is not asked).
        x0: The clean picture in the model's space.
        guidance: What the picture shows; guidance above 1 makes the path much less exact.
        first: The level at which to stop.
        iterations: K, the largest number of evaluations per level.
        tolerance: Stop earlier when no element of x moves by more than this.

    Raises:
        InputError: If ``first`` is outside the run, or ``iterations`` below 1.
    """
    _check(ctx, first, iterations)
    x, residual, evaluations = x0.expand(ctx.shape), 0.0, 0
    ascending = [x]
    for i in range(ctx.steps - 1, first - 1, -1):
        known, guess, moved = x, x, 0.0
        for _ in range(iterations):
            noisier = _back(ctx, i, known, _eps(ctx, i, guess, guidance))
            moved, guess, evaluations = float((noisier - guess).abs().max()), noisier, evaluations + 1
            if moved <= tolerance:
                break
        x, residual = guess, max(residual, moved)
        ascending.append(x)
    return Pivot(torch.stack(ascending[::-1]), residual, evaluations)


def warm_ddim(
    ctx: RunState, x0: Tensor, guidance: Guidance, *, first: int = 0, iterations: int = 1, tolerance: float = 0.0
) -> Pivot:
    """Walk like :func:`ddim`, but look for each level's x first where the last prediction leads (arXiv 2504.13109).

    It costs the same and returns much closer to the picture. Iterations of a level stop when one changes x by more
    than the one before: nearest the clean image they do not converge. Arguments and errors as for :func:`ddim`.
    """
    _check(ctx, first, iterations)
    x, residual, evaluations = x0.expand(ctx.shape), 0.0, 0
    ascending, eps = [x], None
    for i in range(ctx.steps - 1, first - 1, -1):
        guess = x if eps is None else _back(ctx, i, x, eps)
        moved = math.inf
        for _ in range(iterations):
            new_eps = _eps(ctx, i, guess, guidance)
            noisier = _back(ctx, i, x, new_eps)
            change, evaluations = float((noisier - guess).abs().max()), evaluations + 1
            if change > moved:
                break  # the iterate before, `guess`, is the better one
            moved, guess, eps = change, noisier, new_eps
            if moved <= tolerance:
                break
        x, residual = guess, max(residual, moved)
        ascending.append(x)
    return Pivot(torch.stack(ascending[::-1]), residual, evaluations)


def _check(ctx: RunState, first: int, iterations: int) -> None:
    if not 0 <= first <= ctx.steps:
        raise InputError(f"an inversion can skip 0 to {ctx.steps} of {ctx.steps} steps, not {first}")
    if iterations < 1:
        raise InputError(f"iterations must be 1 or more, got {iterations}")


def _eps(ctx: RunState, i: int, x: Tensor, guidance: Guidance) -> Tensor:
    (prediction,) = guided(ctx, x[None], guidance, range(i, i + 1))
    if ctx.network.clip_sample is not None:
        prediction = prediction.clipped(ctx.levels[i], ctx.network.clip_sample)
    return prediction.eps


def _back(ctx: RunState, i: int, x: Tensor, eps: Tensor) -> Tensor:
    """The x at level i from which a step along ``eps`` leads to ``x`` at level i + 1."""
    noisy, clean = ctx.levels[i], ctx.levels[i + 1]
    known = Prediction.from_eps(eps, x, clean)
    return noisy.a * known.x0 + noisy.s * eps
