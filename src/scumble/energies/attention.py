"""Place, size and shape of objects, read off cross-attention (arXiv 2306.00986 section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.energies.attention_maps import UNMOVED, Transform, centroid, hard_shape, soft_shape
from scumble.energies.protocol import Observation, distance
from scumble.energies.words import Columns, LikeSource, OfWords

__all__ = ["Centroid", "Shape", "Size"]


@dataclass
class Centroid(OfWords):
    """Bring the words' center to a place, or move it from where the source has it.

    Args:
        target: Where to, (x, y) from 0 to 1; None: relative to the source.
        by: Relative: how far to the right and down, in shares of the picture.
        sharp: Take the centre of the silhouette; the plain map's is drawn towards the middle by diffuse attention.
    """

    target: tuple[float, float] | None = None
    by: tuple[float, float] = (0.0, 0.0)
    sharp: bool = True

    def __post_init__(self) -> None:
        if self.target is not None:
            self.source = None

    def measure(self, observation: Observation) -> Tensor:
        """Centres of the source (B, layers, 2), mean over tokens."""
        return self._centers(self.theirs(observation))

    def _centers(self, layers: list[Tensor]) -> Tensor:
        return torch.stack([centroid(soft_shape(maps) if self.sharp else maps).mean(1) for maps in layers], 1)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """``mean |c - (c_source + by)|``."""
        centers = self._centers(self.own(observation))
        wanted = self.target if origin is None else self.by
        goal = torch.tensor(wanted, dtype=centers.dtype, device=centers.device).expand_as(centers)
        return distance(centers, goal if origin is None else origin + goal, self.squared, self.smooth)


@dataclass
class Size(LikeSource):
    """Bring the share of the picture that the words cover to a multiple of the source's.

    Args:
        factor: Of the share.
    """

    factor: float = 1.0

    def measure(self, observation: Observation) -> Tensor:
        """Sizes of the source (B, layers)."""
        return self._sizes(self.theirs(observation))

    def _sizes(self, layers: list[Tensor]) -> Tensor:
        return torch.stack([soft_shape(maps).mean((1, 2, 3)) for maps in layers], 1)

    def compare(self, observation: Observation, origin: Tensor) -> Tensor:
        """``mean |size - factor size_source|``."""
        sizes = self._sizes(self.own(observation))
        return distance(sizes, (origin * self.factor).expand_as(sizes), self.squared, self.smooth)


@dataclass
class Shape(LikeSource):
    """Give the words the source's silhouette, moved, scaled or turned.

    Args:
        transform: What is to happen to the silhouette.
        hard: Compare with the source's hard silhouette, as published; then the energy is not 0 at the source.
        free: Words whose silhouettes change, and how: where they are and where they go nothing is compared.
    """

    transform: Transform = UNMOVED
    hard: bool = False
    free: tuple[tuple[Columns, Transform], ...] = ()

    def measure(self, observation: Observation) -> Tensor:
        """The wanted silhouettes, and behind them how much a place counts; all layers in one row of numbers
        (B, tokens + 1, cells)."""
        shapes = []
        for site, maps in zip(self.sites, self.theirs(observation), strict=True):
            counts = torch.ones_like(maps[:, :1])
            for columns, change in self.free:
                going = soft_shape(observation.attention[site][:, list(columns.source)])
                taken = torch.maximum(going, change(going)).amax(1, keepdim=True)
                counts = torch.minimum(counts, 1 - taken)
            wanted = self.transform((hard_shape if self.hard else soft_shape)(maps))
            shapes.append(torch.cat([wanted, counts], 1).flatten(2))
        return torch.cat(shapes, -1)

    def compare(self, observation: Observation, origin: Tensor) -> Tensor:
        """``mean |shape - T(shape_source)|``, tokens by tokens where they correspond, else their means."""
        total, at = torch.zeros((), device=observation.x.device), 0
        for maps in self.own(observation):
            shape = soft_shape(maps).flatten(2)
            wanted, counts = origin[..., at : at + shape.shape[-1]].split([origin.shape[1] - 1, 1], 1)
            at += shape.shape[-1]
            if shape.shape[1] != wanted.shape[1]:
                shape, wanted = shape.mean(1, keepdim=True), wanted.mean(1, keepdim=True)
            wanted = wanted.expand_as(shape)
            total = total + distance(counts * shape, counts * wanted, self.squared, self.smooth) / len(self.sites)
        return total
