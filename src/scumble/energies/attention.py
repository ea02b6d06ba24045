"""Where objects are, how large, what shape and what look: read off cross-attention (arXiv 2306.00986 section 3)."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.energies.protocol import SOURCE, Energy, Needs, Observation, distance

__all__ = [
    "Appearance",
    "Centroid",
    "Columns",
    "Shape",
    "Size",
    "Tint",
    "Transform",
    "centroid",
    "hard_shape",
    "normalized",
    "soft_shape",
]

SMALL = 1e-4
SHARPNESS, THRESHOLD = 10.0, 0.5


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
class Columns:
    """The tokens of some words, in the run's prompt and in the source's.

    Attributes:
        own: Columns of the row that is guided.
        source: Columns of the source's row.
    """

    own: tuple[int, ...]
    source: tuple[int, ...]


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
        centre = centroid(flat[:, 0])
        if self.about == "foot":
            centre = torch.stack([centre[:, 0], _lowest(flat[:, 0])], -1)
        # Pixel units, so that a turn keeps right angles in pictures that are not square; between cell centres
        # linspace(0, 1) spans (side - 1) cells.
        sides = torch.tensor([w, h], dtype=maps.dtype, device=maps.device)
        origin = centre * (sides - 1)
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


def _lowest(maps: Tensor) -> Tensor:
    """The lowest place (n,) that silhouettes (n, h, w) reach, 0 to 1 from the top."""
    h = maps.shape[-2]
    rows = torch.arange(h, dtype=maps.dtype, device=maps.device) / max(h - 1, 1)
    reached = maps.amax(-1) > THRESHOLD * maps.amax((-2, -1)).unsqueeze(-1)
    return (rows * reached).amax(-1)


@dataclass
class OfWords(Energy):
    """Base of what reads attention: averaged over layers and tokens.

    Args:
        sites: Paths of cross-attention modules.
        columns: The words' tokens.
        squared: Half the squared difference in place of the absolute one.
        source: Row that is compared with.
        smooth: Below this a difference counts as its square, so that equal things do not pull.
    """

    sites: tuple[str, ...]
    columns: Columns
    squared: bool = False
    source: str | None = SOURCE
    smooth: float = 0.0

    @property
    def reads(self) -> Needs:
        """The attention of the sites."""
        return Needs(attention=self.sites)

    def own(self, seen: Observation) -> list[Tensor]:
        """Maps (B, K, h, w) of the guided row, layer by layer."""
        return [seen.attention[site][:, list(self.columns.own)] for site in self.sites]

    def theirs(self, seen: Observation) -> list[Tensor]:
        """Maps of the source's row."""
        return [seen.attention[site][:, list(self.columns.source)] for site in self.sites]


class LikeSource(OfWords):
    """Base of what compares with the source's row."""

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """Compare with what was measured; ValueError where nothing was."""
        if origin is None:
            raise ValueError(f"{self.name} compares with a source, and none was measured")
        return self.compare(seen, origin)

    @abstractmethod
    def compare(self, seen: Observation, origin: Tensor) -> Tensor:
        """The difference of the guided row from ``origin``, one value a sample."""


@dataclass
class Centroid(OfWords):
    """Bring the words' centre to a place, or move it by so much from where the source has it.

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

    def measure(self, seen: Observation) -> Tensor:
        """Centres of the source (B, layers, 2), mean over tokens."""
        return self._centers(self.theirs(seen))

    def _centers(self, layers: list[Tensor]) -> Tensor:
        return torch.stack([centroid(soft_shape(maps) if self.sharp else maps).mean(1) for maps in layers], 1)

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        """``mean |c - (c_source + by)|``."""
        centers = self._centers(self.own(seen))
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

    def measure(self, seen: Observation) -> Tensor:
        """Sizes of the source (B, layers)."""
        return self._sizes(self.theirs(seen))

    def _sizes(self, layers: list[Tensor]) -> Tensor:
        return torch.stack([soft_shape(maps).mean((1, 2, 3)) for maps in layers], 1)

    def compare(self, seen: Observation, origin: Tensor) -> Tensor:
        """``mean |size - factor size_source|``."""
        sizes = self._sizes(self.own(seen))
        return distance(sizes, (origin * self.factor).expand_as(sizes), self.squared, self.smooth)


@dataclass
class Shape(LikeSource):
    """Give the words the source's silhouette, moved, scaled or turned.

    Args:
        transform: What is to happen to the silhouette.
        hard: Compare with the source's hard silhouette, as published; then the energy is not 0 at the source.
        free: Words whose silhouettes change, and how: where they are and where they go nothing is compared.
    """

    transform: Transform = Transform()
    hard: bool = False
    free: tuple[tuple[Columns, Transform], ...] = ()

    def measure(self, seen: Observation) -> Tensor:
        """The wanted silhouettes, and behind them how much a place counts; all layers in one row of numbers
        (B, tokens + 1, cells)."""
        shapes = []
        for site, maps in zip(self.sites, self.theirs(seen), strict=True):
            counts = torch.ones_like(maps[:, :1])
            for columns, change in self.free:
                going = soft_shape(seen.attention[site][:, list(columns.source)])
                taken = torch.maximum(going, change(going)).amax(1, keepdim=True)
                counts = torch.minimum(counts, 1 - taken)
            wanted = self.transform((hard_shape if self.hard else soft_shape)(maps))
            shapes.append(torch.cat([wanted, counts], 1).flatten(2))
        return torch.cat(shapes, -1)

    def compare(self, seen: Observation, origin: Tensor) -> Tensor:
        """``mean |shape - T(shape_source)|``, tokens by tokens where they correspond, else their means."""
        total, at = torch.zeros((), device=seen.x.device), 0
        for maps in self.own(seen):
            shape = soft_shape(maps).flatten(2)
            wanted, counts = origin[..., at : at + shape.shape[-1]].split([origin.shape[1] - 1, 1], 1)
            at += shape.shape[-1]
            if shape.shape[1] != wanted.shape[1]:
                shape, wanted = shape.mean(1, keepdim=True), wanted.mean(1, keepdim=True)
            wanted = wanted.expand_as(shape)
            total = total + distance(counts * shape, counts * wanted, self.squared, self.smooth) / len(self.sites)
        return total


@dataclass
class Appearance(LikeSource):
    """Give the words the source's look: the mean of a decoder's features over the silhouette.

    Args:
        features: Path of the module whose output is averaged.
        hard: Average over the hard silhouette, as published.
    """

    features: str = ""
    hard: bool = True

    @property
    def reads(self) -> Needs:
        """Attention and one module's output."""
        return Needs(attention=self.sites, features=(self.features,))

    def measure(self, seen: Observation) -> Tensor:
        """Looks of the source (B, tokens, C')."""
        return self._looks(self.theirs(seen)[-1], seen.features[self.features])

    def _looks(self, maps: Tensor, psi: Tensor) -> Tensor:
        return _mean_inside((hard_shape if self.hard else soft_shape)(maps.detach()), psi)

    def compare(self, seen: Observation, origin: Tensor) -> Tensor:
        """``mean |look - look_source|``; the silhouette itself carries no gradient."""
        appearance = self._looks(self.own(seen)[-1], seen.features[self.features])
        if appearance.shape[1] != origin.shape[1]:
            appearance, origin = appearance.mean(1, keepdim=True), origin.mean(1, keepdim=True)
        return distance(appearance, origin.expand_as(appearance), self.squared, self.smooth)


@dataclass
class Tint(LikeSource):
    """Give the words the source's colour: the mean of the predicted picture over the silhouette.

    Not in the paper. The features of a small decoder hold size and shading, and hardly the colour.
    """

    @property
    def reads(self) -> Needs:
        """Attention and the prediction."""
        return Needs(attention=self.sites, prediction=True)

    def measure(self, seen: Observation) -> Tensor:
        """Mean colour of the source (B, 3)."""
        return _mean_inside(hard_shape(self.theirs(seen)[-1]), seen.picture).mean(1)

    def compare(self, seen: Observation, origin: Tensor) -> Tensor:
        """``mean |colour - colour_source|``; the silhouette itself carries no gradient."""
        tint = _mean_inside(hard_shape(self.own(seen)[-1].detach()), seen.picture).mean(1)
        return distance(tint, origin.expand_as(tint), self.squared, self.smooth)


def _mean_inside(where: Tensor, psi: Tensor) -> Tensor:
    """Mean of psi (B, C, h', w') over each silhouette (B, K, h, w): (B, K, C)."""
    where = F.interpolate(where, psi.shape[-2:], mode="bilinear", antialias=True, align_corners=False)
    return torch.einsum("bkhw,bchw->bkc", where, psi) / (where.sum((-2, -1)) + SMALL).unsqueeze(-1)
