"""The noise that leads along a known path: every level's network call at once, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.core.solver import Evaluation
from scumble.inversion.chunks import Chunks

__all__ = ["Path", "extract", "extract_sequentially", "guided", "step"]


@dataclass(frozen=True)
class Path:
    """The tensors of an inversion, see :class:`scumble.inversion.inversion.Inversion`."""

    xs: Tensor
    zs: Tensor
    residuals: Tensor


def guided(ctx: RunState, xs: Tensor, guidance: Guidance, indices: range) -> list[Prediction]:
    """Predict for one x per level in ONE network call.

    Args:
        ctx: The run.
        xs: (K, B, C, h, w), one x for each of the indices.
        guidance: What the network is told; one row of conditioning each.
        indices: Which levels of the run.

    Returns:
        K guided predictions of B rows. One level is evaluated by the very call that the loop makes for it.
    """
    rows = guidance.planned
    batch = xs.shape[1]
    x = xs.flatten(0, 1)
    levels = [ctx.levels[i] for i in indices for _ in range(batch)]
    cond = Conditioning.cat([row.cond.expand(len(x)) for row in rows])
    level = levels[0] if len(indices) == 1 else levels * len(rows)
    joint = ctx.evaluate(torch.cat([x] * len(rows)) if len(rows) > 1 else x, level, cond)
    combined = []
    for k in range(len(indices)):
        places = [n * len(x) + k * batch for n in range(len(rows))]
        predictions = {row.name: joint.rows(at, at + batch) for row, at in zip(rows, places, strict=True)}
        combined.append(guidance.combine(predictions))
    return combined


def step(
    ctx: RunState, i: int, x: Tensor, prediction: Prediction, before: list[Evaluation] | None = None
) -> tuple[Tensor, float | Tensor]:
    """Mean and standard deviation of step i, computed as the loop computes them (clipped x0 included).

    ``before`` holds the evaluations that the solver remembers; this one is added.
    """
    level = ctx.levels[i]
    if ctx.network.clip_sample is not None:
        prediction = prediction.clipped(level, ctx.network.clip_sample)
    visits = [] if before is None else before
    visits.append(Evaluation(i, level, x, prediction))
    mean, std = ctx.solver.step(visits, ctx.levels[i + 1])
    del visits[: -(ctx.solver.memory + 1)]
    return mean, std


def extract(ctx: RunState, xs: Tensor, guidance: Guidance, first: int, chunk: int | None = None) -> Path:
    """Find z and residual of every step of a path (arXiv 2304.06140 eq. 5).

    All x are known beforehand, so no call waits for another one. In real arithmetic the result is that of the
    published sequential algorithm; the residuals keep what rounding takes away.

    Args:
        ctx: The run.
        xs: (K + 1, B, C, h, w): x at the levels ``first`` to ``first + K``.
        guidance: What the network is told.
        first: Index of the first level.
        chunk: Levels per network call; None lets the memory decide.
    """
    visits: list[Evaluation] = []
    steps = [
        _split(*step(ctx, i, xs[i - first], prediction, visits), xs[i - first + 1])
        for i, prediction in _predictions(ctx, xs, guidance, first, chunk)
    ]
    return _joined(xs, steps)


def extract_sequentially(ctx: RunState, xs: Tensor, guidance: Guidance, first: int) -> Path:
    """The same by one call after the other, each next x re-rounded to ``mean + std z`` as in the published code."""
    visits: list[Evaluation] = []
    xs, steps = xs.clone(), []
    for i in range(first, first + len(xs) - 1):
        k = i - first
        (prediction,) = guided(ctx, xs[k : k + 1], guidance, range(i, i + 1))
        mean, std = step(ctx, i, xs[k], prediction, visits)
        z, residual = _split(mean, std, xs[k + 1])
        if k + 2 < len(xs) and _noisy(std):
            xs[k + 1] = mean + std * z
            residual = torch.zeros_like(residual)
        steps.append((z, residual))
    return _joined(xs, steps)


def _predictions(
    ctx: RunState, xs: Tensor, guidance: Guidance, first: int, chunk: int | None
) -> Iterator[tuple[int, Prediction]]:
    chunks, k = Chunks(ctx.device, chunk), 0
    while k < len(xs) - 1:
        with chunks.measured() as size:
            stop = min(k + size, len(xs) - 1)
            batch_of_levels = guided(ctx, xs[k:stop], guidance, range(first + k, first + stop))
        yield from zip(range(first + k, first + stop), batch_of_levels, strict=True)
        k = stop


def _split(mean: Tensor, std: float | Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """``target = (mean + std z) + residual``, to the last bit when added in this order."""
    if _noisy(std):
        z = (target - mean) / std
        return z, target - (mean + std * z)
    wide = torch.float32 if mean.device.type == "mps" else torch.float64  # mps has no float64
    return torch.zeros_like(mean), target.to(wide) - mean.to(wide)


def _noisy(std: float | Tensor) -> bool:
    return isinstance(std, Tensor) or std > 0


def _joined(xs: Tensor, steps: list[tuple[Tensor, Tensor]]) -> Path:
    if not steps:
        return Path(xs, xs[:0], xs[:0])
    widest = max((r.dtype for _, r in steps), key=lambda dtype: dtype.itemsize)
    return Path(xs, torch.stack([z for z, _ in steps]), torch.stack([r.to(widest) for _, r in steps]))
