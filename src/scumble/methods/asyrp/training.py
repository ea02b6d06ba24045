"""Trains the shift of one attribute with a CLIP's directional loss (arXiv 2210.10960 section 3.5)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.methods.asyrp.delta import DeltaBlock
from scumble.methods.asyrp.direction import DirectionInfo
from scumble.methods.asyrp.encoded_step import EncodedStep
from scumble.methods.asyrp.training_loss import Loss
from scumble.methods.asyrp.trajectory import SourceTrajectory, TrainStep, next_x, trained_steps
from scumble.models.base import Model

__all__ = ["Step", "train"]


@dataclass(frozen=True)
class Step:
    """The report of one update.

    Attributes:
        epoch: From 1.
        picture: From 1.
        t: Timestep.
        loss: The loss.
        seconds: What the update took.
    """

    epoch: int
    picture: int
    t: float
    loss: float
    seconds: float


def train(
    ctx: RunState,
    model: Model,
    cond: Conditioning,
    origins: Sequence[SourceTrajectory],
    loss: Loss,
    about: DirectionInfo,
    epochs: int = 5,
    rate: float = 0.5,
    optimizer: Literal["sgd", "adam"] = "sgd",
    seed: int = 0,
) -> Iterator[tuple[Step, DeltaBlock]]:
    """Yield after each update what it came to, and the network as it is then.

    At every timestep down to ``t_edit`` the encoder runs once and the decoder twice; the gradient goes through the
    second decoder alone.

    Args:
        ctx: The run: n_train steps of ddim.
        model: Frozen.
        cond: Conditioning of the model.
        origins: The pictures, see :func:`origin_of`; a loss that does not look at them needs their x alone.
        loss: What is wanted.
        about: Where to stop.
        epochs: Passes over the pictures; the rate falls to a tenth after every third.
        rate: Learning rate.
        optimizer: sgd as published, or adam.
        seed: Of the network's first weights.
    """
    steps = trained_steps(ctx, about.t_edit)
    with torch.no_grad():
        probe = EncodedStep.of(ctx, model, origins[0].x, ctx.levels[0], cond)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        block = DeltaBlock(probe.cache.h.shape[1], probe.activations["temb"].shape[-1])
    block = block.to(origins[0].x.device)
    kind = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
    moves = kind(block.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.StepLR(moves, step_size=3, gamma=0.1)
    for epoch in range(epochs):
        for n, origin in enumerate(origins):
            x = origin.x
            for k, i in enumerate(steps):
                started, level = time.perf_counter(), ctx.levels[i]
                half = EncodedStep.of(ctx, model, x, level, cond)
                h, temb = half.cache.h, half.activations["temb"]
                with torch.no_grad():
                    plain = half.decode(model, h, x, level)
                with torch.enable_grad():
                    shifted = half.decode(model, h + block(h.float(), temb.float()).to(h.dtype), x, level)
                    value = loss.at(TrainStep(ctx, model, level, x, plain, origin, k, k + n + epoch), shifted)
                    moves.zero_grad()
                    value.backward()
                moves.step()
                ctx.cost.backward(x.shape[0])
                prediction = Prediction(shifted.x0.detach(), plain.eps)
                x = next_x(x, prediction, level, ctx.levels[i + 1])
                report = Step(epoch + 1, n + 1, level.t, float(value.detach()), time.perf_counter() - started)
                yield report, block
        schedule.step()
