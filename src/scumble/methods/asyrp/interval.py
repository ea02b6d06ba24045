"""From which timestep to which a shift acts, found by how unlike the pictures become (arXiv 2210.10960 section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction

__all__ = ["LPIPS_BOOST", "LPIPS_EDIT", "distance_tables", "edit_time", "smallest_time"]

LPIPS_EDIT, LPIPS_BOOST = 0.33, 1.2
"""The paper's thresholds, for LPIPS with AlexNet."""

OTHER_EDIT, OTHER_BOOST = 0.55, 0.95
"""For another distance: shares of what it is at the noisiest level."""

Distance = Callable[[Tensor, Tensor], Tensor]


def smallest_time(table: Mapping[int, float], threshold: float) -> int:
    """Return the smallest timestep whose distance reaches a threshold; the largest timestep where none does."""
    reached = [t for t, value in table.items() if value >= threshold]
    return min(reached) if reached else max(table)


def edit_time(table: Mapping[int, float], cosine: float, threshold: float = LPIPS_EDIT) -> int:
    """Return t_edit: words that mean nearly the same leave much to be done late, others need the early steps.

    Args:
        table: Timestep -> mean distance of the predicted picture to the picture.
        cosine: Similarity of the two texts.
        threshold: For equal texts.
    """
    return smallest_time(table, threshold * cosine)


def boost_time(table: Mapping[int, float], threshold: float = LPIPS_BOOST) -> int:
    """Return t_boost from the table of distances of the noisy picture to the picture."""
    return smallest_time(table, threshold)


def distance_tables(
    ctx: RunState, paths: Sequence[Tensor], cond: Conditioning, decode: Callable[[Tensor], Tensor], distance: Distance
) -> tuple[dict[int, float], dict[int, float]]:
    """Return the distances of predicted and of noisy pictures to the pictures, by timestep, mean over pictures.

    Args:
        ctx: The run.
        paths: For each picture its inversion (N + 1, 1, C, h, w), the clean one last.
        cond: What the network is told.
        decode: To pictures.
        distance: Of two pictures (1, 3, H, W).
    """
    predicted: dict[int, float] = {}
    noisy: dict[int, float] = {}
    for xs in paths:
        clean = decode(xs[-1])
        for i in range(ctx.steps):
            with torch.no_grad():
                found: Prediction = ctx.evaluate(xs[i], ctx.levels[i], cond)
                t = int(ctx.levels[i].t)
                apart = float(distance(decode(found.x0), clean).mean()), float(distance(decode(xs[i]), clean).mean())
            predicted[t] = predicted.get(t, 0.0) + apart[0] / len(paths)
            noisy[t] = noisy.get(t, 0.0) + apart[1] / len(paths)
    return predicted, noisy
