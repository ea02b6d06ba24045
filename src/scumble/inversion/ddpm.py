"""Naive DDPM inversion: a path of the true diffusion process (CycleDiffusion, arXiv 2210.05559)."""

from __future__ import annotations

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.errors import InputError
from scumble.inversion.extract import Path, extract, step

__all__ = ["markov_path", "naive"]

STREAM = "inversion"


def markov_path(ctx: RunState, x0: Tensor, first: int) -> Tensor:
    """Draw x at level ``first`` from ``q(x | x0)``, then every next one from ``q(x_j | x_i, x0)``.

    A step is the solver's own with the true noise in place of the network's (arXiv 2210.05559 eq. 9): consecutive
    x share their noise as in the real process, and the z of a good network are close to independent.

    Returns:
        (N - first + 1, B, C, h, w), noisiest first, ``x0`` last.
    """
    x0 = x0.expand(ctx.shape)
    if first == ctx.steps:
        return x0[None]
    x = ctx.noised(x0, ctx.normal(STREAM, ctx.steps - first), first)
    xs = [x]
    for i in range(first, ctx.steps - 1):
        level = ctx.levels[i]
        mean, std = step(ctx, i, x, Prediction(x0=x0, eps=(x - level.a * x0) / level.s))
        x = mean + std * ctx.normal(STREAM, ctx.steps - i - 1)
        xs.append(x)
    return torch.stack([*xs, x0])


def naive(ctx: RunState, x0: Tensor, guidance: Guidance, *, first: int = 0, chunk: int | None = None) -> Path:
    """Invert ``x0`` (1 or B, C, h, w); the network calls run at once, only the sampling of the path is sequential.

    Raises:
        InputError: If ``first`` is outside the run, or the steps have no noise (eta 0).
    """
    if not 0 <= first <= ctx.steps:
        raise InputError(f"an inversion can skip 0 to {ctx.steps} of {ctx.steps} steps, not {first}")
    if getattr(ctx.solver, "eta", 0) == 0:
        raise InputError("naive inversion needs steps with noise: eta above 0 up to 1; for eta 0 use ddim")
    return extract(ctx, markov_path(ctx, x0, first), guidance, first, chunk)
