"""The one denoising loop. Everything a method does, it does through the hooks of controls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Callback, Constraint, Control, RunState, Start, StepResult, Transition
from scumble.core.prediction import Prediction
from scumble.core.solver import Evaluation

__all__ = ["Stopped", "denoise"]

MAX_VISITS = 100_000


class Stopped(Exception):
    """The callback asked to stop between two steps."""


def denoise(ctx: RunState, controls: Sequence[Control], on_step: Callback | None = None) -> Tensor:
    """Run all steps from the start that the controls name (standard normal noise otherwise) to the last level.

    Args:
        ctx: Network, levels, solver and noise of the run.
        controls: What acts on it, in order; the first row that they ask for is the default prediction.
        on_step: Called after each step with the context and what it led to; returning False stops the run.

    Returns:
        ``x`` at the last level (B, C, H, W), float32.

    Raises:
        Stopped: If ``on_step`` returned False.
        RuntimeError: If controls send the run back without end.
        ValueError: If two rows of a step have one name, or no control asked for a row.
    """
    constraints = [c for c in controls if isinstance(c, Constraint)]
    others = [c for c in controls if not isinstance(c, Constraint)]
    ctx.i, ctx.repeat, ctx.leaf = 0, 0, None
    ctx.history.clear()
    ctx.layout.clear()
    starts = [start for control in controls if (start := control.start(ctx)) is not None]
    begin = starts[0] if starts else Start(ctx.normal("start", 0))
    x, ctx.i = begin.x, begin.index
    came: Counter[int] = Counter()
    while ctx.i < ctx.steps:
        ctx.repeat = came[ctx.i]
        came[ctx.i] += 1
        if came.total() > MAX_VISITS:
            raise RuntimeError(f"controls repeated steps {MAX_VISITS} times: the run would not end")
        x = _before(ctx, constraints, others, x)
        predictions = _evaluate(ctx, controls, x, _unused(ctx, constraints, others))
        prediction = next(iter(predictions.values()))
        with torch.set_grad_enabled(ctx.leaf is not None):
            for control in controls:
                prediction = control.predict(ctx, predictions, prediction)
        result = _step(ctx, constraints, others, x.detach(), prediction.detach())
        if on_step is not None and on_step(ctx, result) is False:
            raise Stopped
        x, ctx.i = result.x, result.index
        if result.move.jump is not None:
            ctx.history.clear()
    return x


def _before(ctx: RunState, constraints: Sequence[Constraint], others: Sequence[Control], x: Tensor) -> Tensor:
    for control in constraints:
        x = control.before(ctx, x)
    constrained = x
    for other in others:
        x = other.before(ctx, x)
    if x is not constrained:
        for control in constraints:
            x = control.before(ctx, x)
    return x


def _unused(ctx: RunState, constraints: Sequence[Constraint], others: Sequence[Control]) -> Tensor | None:
    """What no network needs to predict: known where one control keeps, and all others work cell by cell."""
    if len(constraints) != 1 or not all(control.traits(ctx).pointwise for control in others):
        return None
    discarded = constraints[0].discards(ctx)
    return None if discarded is None or not bool(discarded.any()) else discarded.all(dim=0, keepdim=True)


def _evaluate(ctx: RunState, controls: Sequence[Control], x: Tensor, unused: Tensor | None) -> dict[str, Prediction]:
    """Evaluate all rows of the step: one batched call without a graph, and one with it where a row asks for it."""
    ctx.leaf, ctx.gradients = None, 0
    rows: list[Branch] = []
    for control in controls:
        rows = control.branches(ctx, rows)
    if not rows:
        raise ValueError("no control asked for a row, so there is no prediction")
    if len({row.name for row in rows}) < len(rows):
        raise ValueError(f"two rows have the same name: {', '.join(row.name for row in rows)}")
    taps = [tap for control in controls for tap in control.taps(ctx)]
    predictions = {row.name: row.known for row in rows if row.known is not None}
    for grad in (False, True):
        group = [row for row in rows if row.known is None and row.grad is grad]
        if not group:
            continue
        leaf_or_x = x
        if grad:
            leaf_or_x = ctx.leaf = x.detach().requires_grad_(True)
        predictions |= _call(ctx, group, leaf_or_x, taps, grad, None if grad else unused)
    return {row.name: predictions[row.name] for row in rows}


def _call(
    ctx: RunState, group: list[Branch], x: Tensor, taps: Sequence[Any], grad: bool, unused: Tensor | None
) -> dict[str, Prediction]:
    tensors = [x if row.x is None else row.x for row in group]
    counts = [t.shape[0] for t in tensors]
    cond = Conditioning.cat([row.cond.expand(n) for row, n in zip(group, counts, strict=True)])
    edges = [sum(counts[:k]) for k in range(len(counts) + 1)]
    ctx.layout = {row.name: slice(edges[k], edges[k + 1]) for k, row in enumerate(group)}
    joint = ctx.evaluate(torch.cat(tensors) if len(tensors) > 1 else tensors[0], ctx.level, cond, taps, grad, unused)
    with torch.set_grad_enabled(grad):
        return {name: joint.rows(place.start, place.stop) for name, place in ctx.layout.items()}


def _step(
    ctx: RunState, constraints: Sequence[Constraint], others: Sequence[Control], x: Tensor, prediction: Prediction
) -> StepResult:
    if ctx.network.clip_sample is not None:
        prediction = prediction.clipped(ctx.level, ctx.network.clip_sample)
    ctx.history.append(Evaluation(ctx.i, ctx.level, x, prediction))
    mean, std = ctx.solver.step(ctx.history, ctx.next_level)
    del ctx.history[: -(ctx.solver.memory + 1)]
    move = Transition(prediction=prediction, mean=mean, std=std)
    for other in others:
        move = other.after(ctx, move)
    if move.jump is not None:
        return StepResult(move, move.jump.x, move.jump.index)
    move = move.noisy(ctx)
    x = move.mean
    if move.noise is not None and (isinstance(move.std, Tensor) or move.std > 0):
        x = x + move.std * move.noise
    if move.residual is not None:
        x = (x + move.residual).to(x.dtype)
    for control in constraints:
        x = control.settle(ctx, x)
    return StepResult(move, x, ctx.i + 1)
