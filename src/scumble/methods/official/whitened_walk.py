"""pix2pix-zero's inversion as the published code walks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.schedule import Schedule
from scumble.inversion.extract import guided
from scumble.methods.attention.whitened_inversion import along

__all__ = ["published_walk"]


def published_walk(
    ctx: RunState, x0: Tensor, guidance: Guidance, regulate: Callable[[Tensor, int], Tensor], schedule: Schedule
) -> list[Tensor]:
    """The same as the published code walks: one level off at both ends, the first and last timestep left out.

    Returns:
        x after each step; the last one is what sampling then takes for the noisiest level.
    """
    stride = schedule.num_train_timesteps // ctx.steps
    x, path = x0.expand(ctx.shape), []
    for k, level in enumerate(ctx.levels[-3:0:-1]):
        (prediction,) = guided(ctx, x[None], guidance, range(ctx.steps - 2 - k, ctx.steps - 1 - k))
        eps = regulate(prediction.eps, k)
        x = along(x, eps, schedule.at(level.t - 1), schedule.at(level.t + stride - 1))
        path.append(x)
    return path
