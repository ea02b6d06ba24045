"""DDIM inversion as the code of Asyrp has it (arXiv 2210.10960 section 3.1), for comparison only."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.core.schedule import CLEAN, Level, Schedule
from scumble.inversion.extract import guided

__all__ = ["current_level_path", "spread_levels"]


def spread_levels(schedule: Schedule, n: int) -> tuple[Level, ...]:
    """Levels at n timesteps spread evenly from the last to 0, both included, and the clean one."""
    last = schedule.num_train_timesteps - 1
    return (*(schedule.at(float(t)) for t in (np.linspace(0, 1, n) * last + 1e-6).astype(int)[::-1]), CLEAN)


def current_level_path(ctx: RunState, x0: Tensor, guidance: Guidance) -> list[Tensor]:
    """Invert with the picture standing for timestep 0, and each prediction made with the level that x is at.

    Returns:
        x at each level but the clean one, noisiest first.
    """
    x = x0.expand(ctx.shape)
    path = [x]
    for i in range(ctx.steps - 1, 0, -1):
        (prediction,) = guided(ctx, x[None], guidance, range(i, i + 1))
        evaluated = Prediction.from_eps(prediction.eps, x, ctx.levels[i])
        x = ctx.levels[i - 1].a * evaluated.x0 + ctx.levels[i - 1].s * evaluated.eps
        path.append(x)
    return path[::-1]
