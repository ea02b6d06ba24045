"""How large a thing is in an edited picture: the true thing is laid over the empty scene in every size nearby."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scumble_lab.bench.case import Mask

__all__ = ["width_of"]

SIZES = tuple(2 ** (k / 12) for k in range(-14, 15))
"""Sizes that are tried, as multiples of the true thing's width: 0.45 to 2.24 in steps of 6 %."""
REACH = 8
"""How far from its true place the thing is looked for and what is compared, in sixty-fourths of the picture."""


def width_of(picture: Tensor, true: Tensor, mask: Mask, other: Mask, empty: Tensor) -> float:
    """Return how many times as wide and high as the true thing the picture's is; NaN for an empty mask.

    The thing is cut out of ``true``, scaled, and laid over ``empty`` at every place near its own. Of all these
    pictures the one that is nearest to ``picture`` counts, around the thing in both of its true sizes.

    Args:
        picture: What is measured (3, H, W).
        true: The true result (3, H, W).
        mask: The thing in it (H, W).
        other: The thing in the source (H, W): what is compared reaches as far as both.
        empty: The scene without the thing (3, H, W).
    """
    if not mask.any():
        return math.nan
    height, width = mask.shape
    unit = max(height, width) / 64
    rows, columns = np.nonzero(mask | other)
    margin = round(REACH * unit)
    window = (
        slice(max(int(rows.min()) - margin, 0), int(rows.max()) + 1 + margin),
        slice(max(int(columns.min()) - margin, 0), int(columns.max()) + 1 + margin),
    )
    thing = _Thing(torch.cat([true.float(), torch.from_numpy(mask).float()[None]]), mask, window)
    shown, behind = picture.float()[(..., *window)], empty.float()[(..., *window)]

    def nearest(sizes: Sequence[float], places: Tensor) -> tuple[float, Tensor]:
        best, place = math.inf, (math.nan, places[0])
        for size in sizes:
            laid = thing.laid(size, places)
            error = (torch.lerp(behind, laid[:, :3], laid[:, 3:]) - shown).square().mean((1, 2, 3))
            if float(error.min()) < best:
                best, place = float(error.min()), (size, places[int(error.argmin())])
        return place

    coarse, place = nearest(SIZES, _square(4, 2 * unit))
    at = SIZES.index(coarse)
    return nearest(SIZES[max(at - 2, 0) : at + 3], place + _square(1, unit))[0]


def _square(reach: int, step: float) -> Tensor:
    """Offsets x, y from -reach to reach steps."""
    line = step * torch.arange(-reach, reach + 1.0)
    return torch.cartesian_prod(line, line)


class _Thing:
    """A thing (4, H, W), its silhouette last, that can be laid into a window of the picture."""

    def __init__(self, cut: Tensor, mask: Mask, window: tuple[slice, slice]) -> None:
        rows, columns = np.nonzero(mask)
        self.cut = cut
        self.middle = torch.tensor([columns.mean(), rows.mean()], dtype=torch.float32)
        lines = [torch.arange(side)[part].float() for side, part in zip(mask.shape, window, strict=True)]
        y, x = torch.meshgrid(*lines, indexing="ij")
        self.cells = torch.stack([x, y], -1)

    def laid(self, size: float, places: Tensor) -> Tensor:
        """Scaled about its middle and moved by places (N, 2): (N, 4, h, w)."""
        height, width = self.cut.shape[-2:]
        at = (self.cells - (self.middle + places)[:, None, None]) / size + self.middle
        grid = (2 * at + 1) / torch.tensor([width, height]) - 1
        return F.grid_sample(self.cut.expand(len(places), -1, -1, -1), grid, padding_mode="zeros", align_corners=False)
