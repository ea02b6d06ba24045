"""Motion supervision: features at a point should appear one step further along (arXiv 2306.14435 eq. 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scumble.errors import MethodError
from scumble.models.sites import sites

__all__ = ["FeatureGrid", "motion_loss", "supervision_site", "track"]


@dataclass(frozen=True)
class FeatureGrid:
    """A feature map seen on a finer grid, interpolated bilinearly, but only where it is looked at.

    Equal to ``interpolate(feature, size, mode="bilinear", align_corners=False)`` at whole grid positions, and linear
    between them. What lies beyond the border is the border.

    Attributes:
        feature: (C, h, w), float32.
        size: (rows, columns) of the grid.
    """

    feature: Tensor
    size: tuple[int, int]

    def at(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Values (C, R, K) at every row (R,) and column (K,), whole or not."""
        down = _weights(rows, self.feature.shape[1], self.size[0])
        across = _weights(columns, self.feature.shape[2], self.size[1])
        return down @ (self.feature @ across.T)

    def window(self, center: Tensor, radius: int) -> Tensor:
        """Values (C, 2 radius + 1, 2 radius + 1) around a point (row, column)."""
        reach = torch.arange(-radius, radius + 1, dtype=torch.float32, device=self.feature.device)
        return self.at(center[0] + reach, center[1] + reach)

    def points(self, where: Tensor) -> Tensor:
        """Values (N, C) at points (N, 2)."""
        return torch.stack([self.window(point, 0).flatten() for point in where])


def _weights(positions: Tensor, cells: int, size: int) -> Tensor:
    """Matrix (P, cells) that takes cells to grid positions."""
    positions = positions.clamp(0, size - 1)
    low = positions.floor()
    part = (positions - low)[:, None]
    return (1 - part) * _whole(low, cells, size) + part * _whole((low + 1).clamp(max=size - 1), cells, size)


def _whole(positions: Tensor, cells: int, size: int) -> Tensor:
    source = ((positions + 0.5) * (cells / size) - 0.5).clamp(0, cells - 1)
    low = source.floor()
    part = (source - low)[:, None]
    index = torch.arange(cells, device=positions.device)
    return (1 - part) * (index == low[:, None]) + part * (index == (low + 1).clamp(max=cells - 1)[:, None])


def motion_loss(
    now: FeatureGrid, handles: Tensor, targets: Tensor, *, radius: int, arrived: float, longest: float | None = 1.0
) -> Tensor:
    """``sum over pairs and window |sg F(p + o) - F(p + d + o)|``, the mean over channels (arXiv 2306.14435 eq. 3).

    ``d`` points from the handle to its target. The published code means over channels where the paper sums; so do we,
    since the weight of the mask term is meant for that.

    Args:
        now: Features with their graph.
        handles: (N, 2) where the points are.
        targets: (N, 2), where they should go.
        radius: r1 of the window, in grid steps.
        arrived: Pairs nearer than this are left out.
        longest: Length of d; a point that is nearer than that to its target is led there and not beyond. None: always
            of length 1, as published.
    """
    total = torch.zeros((), device=now.feature.device)
    for handle, target in zip(handles, targets, strict=True):
        way = target - handle
        distance = way.norm()
        if distance < arrived:
            continue
        step = way / distance * (1.0 if longest is None else float(distance.clamp(max=longest)))
        here = now.window(handle, radius).detach()
        there = now.window(handle + step, radius)
        total = total + (2 * radius + 1) ** 2 * (here - there).abs().mean()
    return total


def supervision_site(denoiser: nn.Module) -> str:
    """Return the first decoder block whose output has the full size of the network's input.

    That is ``up_blocks.2`` of Stable Diffusion 1 and 2, as published, ``up_blocks.1`` of SDXL, and the like in
    smaller networks.

    Raises:
        MethodError: If there is none.
    """
    for site in sites(denoiser, "up_block"):
        if site.divisor == 1:
            return site.path
    raise MethodError("this network has no decoder block at full size, so drags have no features to follow")


def track(now: FeatureGrid, wanted: Tensor, handles: Tensor, radius: int) -> Tensor:
    """Return for each handle the whole grid position near it whose feature is nearest (L1) to the wanted one.

    The search region is the square of side 2 radius + 1 around the handle, cut at the border of the grid. Of equally
    near positions the first in reading order is taken.

    Args:
        now: The features to search.
        wanted: (N, C), the features of the handles where they began.
        handles: (N, 2) whole numbers, where the points were last.
        radius: r2, in grid steps.
    """
    positions = []
    for feature, handle in zip(wanted, handles, strict=True):
        rows, columns = (
            torch.arange(max(int(p) - radius, 0), min(int(p) + radius + 1, n), device=handle.device).float()
            for p, n in zip(handle.tolist(), now.size, strict=True)
        )
        distances = (now.at(rows, columns) - feature[:, None, None]).abs().sum(0)
        best = int(distances.argmin())
        positions.append(torch.stack([rows[best // len(columns)], columns[best % len(columns)]]))
    return torch.stack(positions)
