"""Attention maps of words: normalized, as soft and hard shapes, moved and resized."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["SMALL", "UNMOVED", "Transform", "centroid", "hard_shape", "normalized", "soft_shape"]

SHARPNESS, THRESHOLD = 10.0, 0.5
SMALL = 1e-4


def normalized(maps: Tensor) -> Tensor:
    """Bring maps (…, h, w) to the range from 0 to 1, each by itself."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low + SMALL)


def soft_shape(maps: Tensor) -> Tensor:
    """A differentiable silhouette: about 1 where the map is above half of its range, about 0 elsewhere."""
    return normalized(torch.sigmoid(SHARPNESS * (normalized(maps) - THRESHOLD)))


def hard_shape(maps: Tensor) -> Tensor:
    """1 where the map is above half of its range, 0 elsewhere; without a gradient."""
    return (normalized(maps) > THRESHOLD).to(maps.dtype)


def centroid(maps: Tensor) -> Tensor:
    """Centre of mass (…, 2) of maps (…, h, w), x to the right and y down, 0 to 1 between the outermost cells."""
    h, w = maps.shape[-2:]
    x = torch.linspace(0, 1, w, dtype=maps.dtype, device=maps.device)
    y = torch.linspace(0, 1, h, dtype=maps.dtype, device=maps.device)
    mass = maps.sum((-2, -1)) + SMALL
    return torch.stack([(maps.sum(-2) * x).sum(-1) / mass, (maps.sum(-1) * y).sum(-1) / mass], -1)


@dataclass(frozen=True)
class Transform:
    """How a silhouette is to change.

    Attributes:
        shift: To the right and down, in shares of the picture.
        scale: Size along a side; 2 is twice as wide and high.
        rotate: Degrees, counter-clockwise.
        about: What stays where it is: its centre, or the middle of its lower edge, on which things stand.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    rotate: float = 0.0
    about: Literal["centre", "foot"] = "centre"

    def __call__(self, maps: Tensor) -> Tensor:
        """Return the transformed maps (B, K, h, w): bilinear, 0 beyond the picture; the identity is exact."""
        if self == Transform():
            return maps
        b, k, h, w = maps.shape
        flat = maps.reshape(b * k, 1, h, w)
        center = centroid(flat[:, 0])
        if self.about == "foot":
            center = torch.stack([center[:, 0], _lowest(flat[:, 0])], -1)
        # Pixel units, so that a turn keeps right angles in pictures that are not square; between cell centres
        # linspace(0, 1) spans (side - 1) cells.
        sides = torch.tensor([w, h], dtype=maps.dtype, device=maps.device)
        origin = center * (sides - 1)
        rows = torch.arange(h, dtype=maps.dtype, device=maps.device)
        columns = torch.arange(w, dtype=maps.dtype, device=maps.device)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        moved = torch.tensor(self.shift, dtype=maps.dtype, device=maps.device) * (sides - 1)
        places = torch.stack([x, y], -1) - (origin + moved)[:, None, None]
        angle = math.radians(self.rotate)
        turn = torch.tensor(
            [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]],
            dtype=maps.dtype,
            device=maps.device,
        )
        places = places @ turn / self.scale + origin[:, None, None]
        grid = (2 * places + 1) / sides - 1
        return F.grid_sample(flat, grid, mode="bilinear", padding_mode="zeros", align_corners=False).reshape(b, k, h, w)


UNMOVED = Transform()


def _lowest(maps: Tensor) -> Tensor:
    """The lowest place (n,) that silhouettes (n, h, w) reach, 0 to 1 from the top."""
    h = maps.shape[-2]
    rows = torch.arange(h, dtype=maps.dtype, device=maps.device) / max(h - 1, 1)
    reached = maps.amax(-1) > THRESHOLD * maps.amax((-2, -1)).unsqueeze(-1)
    return (rows * reached).amax(-1)
