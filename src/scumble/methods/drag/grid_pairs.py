"""Pairs of points on the grid that is worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.images import Window
from scumble.methods.drag.points import PointPair

__all__ = ["GridPairs"]


@dataclass(frozen=True)
class GridPairs:
    """Point pairs on a grid, as (row, column), float32.

    Attributes:
        handles: (N, 2), whole numbers.
        targets: (N, 2).
        size: (rows, columns) of the grid.
        scale: Pixels of the picture per grid step, (down, across).
    """

    handles: Tensor
    targets: Tensor
    size: tuple[int, int]
    scale: tuple[float, float]

    @classmethod
    def of(cls, pairs: Sequence[PointPair], place: Window, size: tuple[int, int]) -> GridPairs:
        """Carry points of the picture to a grid over what the model sees.

        Handles are rounded to the grid, and their targets moved along, so that the way keeps its length.
        """
        import torch

        cells = torch.tensor([size[0] / place.size[1], size[1] / place.size[0]], dtype=torch.float64)

        def on_grid(points: list[tuple[float, float]]) -> Tensor:
            coordinates = torch.tensor([place.point(x, y)[::-1] for x, y in points], dtype=torch.float64)
            return (coordinates + 0.5) * cells - 0.5

        exact, there = on_grid([p.handle for p in pairs]), on_grid([p.target for p in pairs])
        last = torch.tensor(size, dtype=torch.float64) - 1
        handles = torch.minimum(exact.round().clamp(min=0), last)
        targets = torch.minimum((there + handles - exact).clamp(min=0), last)
        down, across = (place.original[k] / place.scaled[k] for k in (1, 0))
        return cls(handles.float(), targets.float(), size, (down / float(cells[0]), across / float(cells[1])))

    @classmethod
    def as_published(cls, pairs: Sequence[PointPair], place: Window, size: tuple[int, int]) -> GridPairs:
        """The published rule: corners of pixels are taken for centres, both points are rounded (half to even).

        Points that round to the grid's size, where the published code fails, are brought back to its last line.
        """
        import torch

        right = cls.of(pairs, place, size)

        def rounded(points: list[tuple[float, float]]) -> Tensor:
            share = [(y / place.original[1] * size[0], x / place.original[0] * size[1]) for x, y in points]
            last = torch.tensor(size, dtype=torch.float64) - 1
            return torch.minimum(torch.tensor(share, dtype=torch.float64).round(), last).clamp(min=0).float()

        return cls(rounded([p.handle for p in pairs]), rounded([p.target for p in pairs]), size, right.scale)

    def pixels(self, offset: Tensor) -> list[float]:
        """Lengths in pixels of the picture of (N, 2) offsets on the grid."""
        import torch

        scaled = offset.double().cpu() * torch.tensor(self.scale, dtype=torch.float64)
        return [float(length) for length in scaled.norm(dim=-1)]
