"""The unshifted trajectory of a picture, and a step of its shifted one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.core.solver import Evaluation
from scumble.core.solvers import Ddim
from scumble.models.base import Model

if TYPE_CHECKING:
    from scumble.methods.asyrp.training_loss import DirectionLoss

__all__ = ["SourceTrajectory", "TrainStep", "next_x", "origin_of", "trained_steps"]


@dataclass(frozen=True)
class SourceTrajectory:
    """The unshifted trajectory of one picture: it depends on nothing that is trained, so it is run once.

    Attributes:
        x: The noisiest x (1, C, h, w).
        pictures: Predicted picture at each trained step.
        start: Unit features of the picture itself (1, D).
    """

    x: Tensor
    pictures: list[Tensor] = field(default_factory=list)
    start: Tensor = field(default_factory=lambda: torch.empty(0))


@dataclass(frozen=True)
class TrainStep:
    """A step of a picture's shifted trajectory, as a loss sees it.

    Attributes:
        ctx: The run.
        model: Decodes.
        level: The level of x.
        x: Where the trajectory is (1, C, h, w).
        plain: What the unshifted network predicts there.
        origin: The picture's unshifted trajectory.
        k: Number of the trained step.
        turn: Differs for the same step of another picture and in another pass.
    """

    ctx: RunState
    model: Model
    level: Level
    x: Tensor
    plain: Prediction
    origin: SourceTrajectory
    k: int
    turn: int = 0


def trained_steps(ctx: RunState, t_edit: int) -> list[int]:
    """Return the steps at which the shift is trained: those down to timestep ``t_edit``."""
    return [i for i in range(ctx.steps) if ctx.levels[i].t >= t_edit]


def next_x(x: Tensor, prediction: Prediction, here: Level, there: Level) -> Tensor:
    """Return x at the next level, by a deterministic step."""
    return Ddim().step([Evaluation(0, here, x, prediction)], there)[0]


def origin_of(
    ctx: RunState, model: Model, cond: Conditioning, x: Tensor, picture: Tensor, t_edit: int, loss: DirectionLoss
) -> SourceTrajectory:
    """Run a picture's unshifted trajectory through the trained steps.

    Args:
        ctx: The run.
        model: Decodes.
        cond: Conditioning of the network.
        x: The inverted picture at the noisiest level (1, C, h, w).
        picture: The picture (1, 3, H, W).
        t_edit: Training ends at this timestep.
        loss: Whose features are used.
    """
    path, at = [], x
    with torch.no_grad():
        for i in trained_steps(ctx, t_edit):
            prediction = ctx.evaluate(at, ctx.levels[i], cond)
            path.append(model.decode(prediction.x0))
            at = next_x(at, prediction, ctx.levels[i], ctx.levels[i + 1])
        return SourceTrajectory(x, path, loss.features(picture))
