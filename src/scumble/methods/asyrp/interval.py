"""Find the timesteps between which a shift acts, by how unlike the images become (arXiv 2210.10960 section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction

__all__ = ["OTHER_BOOST", "OTHER_EDIT", "distance_tables", "smallest_time"]

OTHER_EDIT, OTHER_BOOST = 0.55, 0.95
"""Shares of the distance at the noisiest level; the paper's 0.33 and 1.2 are for LPIPS with AlexNet."""

Distance = Callable[[Tensor, Tensor], Tensor]


def smallest_time(table: Mapping[int, float], threshold: float) -> int:
    """Return the smallest timestep whose distance reaches a threshold; the largest timestep where none does."""
    reached = [t for t, value in table.items() if value >= threshold]
    return min(reached) if reached else max(table)


def distance_tables(
    ctx: RunState, paths: Sequence[Tensor], cond: Conditioning, decode: Callable[[Tensor], Tensor], distance: Distance
) -> tuple[dict[int, float], dict[int, float]]:
    """Return the distances of predicted and of noisy pictures to the pictures, by timestep, mean over pictures.

    Args:
        ctx: The run.
        paths: For each picture its inversion (N + 1, 1, C, h, w), the clean one last.
        cond: Conditioning of the network.
        decode: To pictures.
        distance: Of two pictures (1, 3, H, W).
    """
    predicted: dict[int, float] = {}
    noisy: dict[int, float] = {}
    for xs in paths:
        clean = decode(xs[-1])
        for i in range(ctx.steps):
            with torch.no_grad():
                prediction: Prediction = ctx.evaluate(xs[i], ctx.levels[i], cond)
                t = int(ctx.levels[i].t)
                errors = (
                    float(distance(decode(prediction.x0), clean).mean()),
                    float(distance(decode(xs[i]), clean).mean()),
                )
            predicted[t] = predicted.get(t, 0.0) + errors[0] / len(paths)
            noisy[t] = noisy.get(t, 0.0) + errors[1] / len(paths)
    return predicted, noisy
