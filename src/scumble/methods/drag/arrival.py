"""Where a dragged point is in the finished picture, by features of the network (as the mean distance of DragBench)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.cost import Cost
from scumble.core.prediction import noised
from scumble.methods.drag.features import features_at
from scumble.methods.drag.points import GridPairs
from scumble.methods.drag.supervision import FeatureGrid
from scumble.models.base import Model

__all__ = ["arrivals", "nearest_features"]

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
    found = []
    for x0 in (before, after):
        cost.forward(len(noises))
        x = torch.cat([noised(x0, eps.to(x0.device), level) for eps in noises])
        found.append(features_at(model, x, level, cond.expand(len(x)), site).mean(0))
    return nearest_features(FeatureGrid(found[0], pairs.size), FeatureGrid(found[1], pairs.size), pairs.handles)


def nearest_features(before: FeatureGrid, after: FeatureGrid, points: Tensor) -> Tensor:
    """Return for each point (N, 2) the whole grid position in the whole of ``after`` with the nearest direction."""
    points = points.to(before.feature.device)
    wanted = F.normalize(before.points(points), dim=-1)
    rows, columns = (torch.arange(n, device=points.device).float() for n in after.size)
    everywhere = F.normalize(after.at(rows, columns).flatten(1), dim=0)
    best = (wanted @ everywhere).argmax(-1)
    return torch.stack([best // len(columns), best % len(columns)], -1).float()
