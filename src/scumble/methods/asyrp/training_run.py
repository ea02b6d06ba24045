"""Pictures inverted for a training, and the direction that is learned from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.errors import InputError
from scumble.images import fit, load_image, to_tensor
from scumble.inversion.ddim import ddim
from scumble.methods.asyrp.direction import Direction, DirectionInfo
from scumble.methods.asyrp.training import train
from scumble.methods.asyrp.training_loss import Loss
from scumble.methods.asyrp.trajectory import SourceTrajectory
from scumble.methods.batch import EditBatch
from scumble.models.base import Model

__all__ = ["inverted_pictures", "trained_direction"]


def inverted_pictures(
    model: Model, pictures: Sequence[Path], steps: int, say: Callable[[str], None]
) -> tuple[RunState, Conditioning, list[torch.Tensor], list[torch.Tensor]]:
    """The run, what the model is told (nothing, as when a direction is used), the pictures, and their paths."""
    size = (model.native_size, model.native_size)
    batch = EditBatch(model, CounterNoise([0]), 1, size)
    ctx = batch.context(batch.levels(steps), Ddim())
    cond = batch.guidance("", "", 1.0).cond
    images, paths = [], []
    for file in pictures:
        place = fit(*load_image(file).rgb.size, multiple=model.multiple, native=model.native_size)
        tensor = place.apply(to_tensor(load_image(file).rgb)).to(model.device)
        image = torch.nn.functional.interpolate(tensor, size[::-1], mode="bilinear", antialias=True)
        with torch.no_grad():
            x0 = model.encode(image)
            paths.append(ddim(ctx, x0, Guidance(cond, cond), iterations=3, tolerance=1e-4).xs)
        images.append(image)
    say(f"{len(paths)} pictures inverted, {ctx.cost.forward_rows} rows")
    return ctx, cond, images, paths


def trained_direction(
    ctx: RunState,
    model: Model,
    cond: Conditioning,
    origins: Sequence[SourceTrajectory],
    loss: Loss,
    about: DirectionInfo,
    epochs: int,
    rate: float,
    optimizer: Literal["sgd", "adam"],
    seed: int,
    say: Callable[[str], None],
) -> Direction:
    """Train a direction on trajectories, saying the mean loss of each picture.

    Raises:
        InputError: If no step of the run is trained.
    """
    about = replace(about, model=model.name, model_sha256=model.weights_hash)
    direction, losses = None, list[float]()
    each = sum(level.t >= about.t_edit for level in ctx.levels[: ctx.steps])
    for step, block in train(ctx, model, cond, origins, loss, about, epochs, rate, optimizer, seed):
        direction = block
        losses.append(step.loss)
        if len(losses) == each:
            mean = sum(losses) / each
            say(f"epoch {step.epoch}, picture {step.picture}: mean loss {mean:.5f}, {step.seconds:.2f} s a step")
            losses.clear()
    if direction is None:
        raise InputError(f"no step of {about.steps} lies at timestep {about.t_edit} or above: lower t_edit")
    return Direction(about, direction.eval().requires_grad_(False))
