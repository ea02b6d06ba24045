"""Find where a dragged point arrives in the result, by network features (as DragBench's mean distance does)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.cost import Cost
from scumble.core.prediction import noised
from scumble.methods.batch import EditBatch
from scumble.methods.drag.features import features_at
from scumble.methods.drag.grid_pairs import GridPairs
from scumble.methods.drag.points import PointPair
from scumble.methods.drag.pulls import grid_pairs
from scumble.methods.drag.supervision import FeatureGrid, supervision_site
from scumble.models.base import Model

__all__ = ["arrivals", "nearest_features", "report_arrival"]

FAR = 0.25
"""A point failed if more than this share of its distance, and more than two grid steps, remain."""
DRAWS = 4
"""Noise draws under which features of the result are compared."""
SHARE = 0.261
"""Where in the schedule features tell points apart best: timestep 261 of 1000 (arXiv 2306.03881)."""


def arrivals(
    model: Model,
    before: Tensor,
    after: Tensor,
    cond: Conditioning,
    site: str,
    pairs: GridPairs,
    noises: Sequence[Tensor],
    cost: Cost,
) -> Tensor:
    """Return where on the grid (N, 2) each handle of one picture is found in another.

    Args:
        model: The model whose features are compared.
        before: The picture in the model's space (1, C, h, w).
        after: The other picture, likewise.
        cond: What they show.
        site: Layer of the features.
        pairs: The points.
        noises: Draws (1, C, h, w) under which features are taken, both pictures under the same one; their mean counts.
        cost: Two rows for each draw are added.
    """
    level = model.schedule.at(int(SHARE * model.schedule.num_train_timesteps))
    results = []
    for x0 in (before, after):
        cost.forward(len(noises))
        x = torch.cat([noised(x0, eps.to(x0.device), level) for eps in noises])
        results.append(features_at(model, x, level, cond.expand(len(x)), site).mean(0))
    return nearest_features(FeatureGrid(results[0], pairs.size), FeatureGrid(results[1], pairs.size), pairs.handles)


def nearest_features(before: FeatureGrid, after: FeatureGrid, points: Tensor) -> Tensor:
    """Return for each point (N, 2) the whole grid position in the whole of ``after`` with the nearest direction."""
    points = points.to(before.feature.device)
    wanted = F.normalize(before.points(points), dim=-1)
    rows, columns = (torch.arange(n, device=points.device).float() for n in after.size)
    everywhere = F.normalize(after.at(rows, columns).flatten(1), dim=0)
    best = (wanted @ everywhere).argmax(-1)
    return torch.stack([best // len(columns), best % len(columns)], -1).float()


def report_arrival(
    batch: EditBatch,
    pairs: tuple[PointPair, ...],
    prompt: str,
    advice: str,
    result: Tensor,
    tracked: Tensor | None = None,
) -> tuple[dict[str, Any], ...]:
    """Report for each point how far from its target it is found in the result, with a notice where it failed.

    Args:
        batch: The batch, for the image, the model and its noise.
        pairs: The points.
        prompt: What the image shows.
        advice: What to do about a point that did not arrive, besides what the mask can do.
        result: The result in the model's space (1, C, h, w).
        tracked: (N, 2) where tracking last found the points on the grid.
    """
    grid, draws, site = grid_pairs(batch, pairs), batch.noise.select(0, 1), supervision_site(batch.model.denoiser)
    noises = [draws.normal((1, *batch.shape[1:]), "arrival", k) for k in range(DRAWS)]
    with torch.no_grad(), batch.watch.phase("measure"):
        cond = batch.embed(prompt)
        positions = arrivals(batch.model, batch.x0, result, cond, site, grid, noises, batch.cost)
    targets = grid.targets.to(positions.device)
    left = grid.pixels(targets - positions)
    rows = []
    for k, pair in enumerate(pairs):
        arrived = left[k] <= max(2 * max(grid.scale), FAR * pair.distance)
        row = {"handle": pair.handle, "target": pair.target, "distance": round(pair.distance, 2)}
        row |= {"arrival_error": round(left[k], 2), "arrived": arrived}
        if tracked is not None:
            row["tracked_error"] = round(grid.pixels(targets - tracked)[k], 2)
        rows.append(row)
        if not arrived:
            mask = "give a mask with --map" if batch.change is None else "free more in the mask"
            distances = f"{left[k]:.1f} of {pair.distance:.1f} pixels are left"
            batch.notices.append(f"point {k + 1} did not arrive: {distances}; {advice}, or {mask}")
    return tuple(rows)
