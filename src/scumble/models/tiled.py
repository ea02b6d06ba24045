"""A model at work on a picture larger than it was trained on: overlapping tiles, blended at every step.

MultiDiffusion (arXiv 2302.08113) with the smooth weights of Mixture of Diffusers (2302.02412). What is blended is the
prediction, so the loop, its noise, maps and inversions see one large latent: no seam can depend on the tiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.errors import MethodError
from scumble.models.base import Model

__all__ = ["ROWS", "TiledModel", "starts", "weights"]

ROWS = 8
"""Most rows that are evaluated at once."""
LEAST_OVERLAP = 8


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return where the tiles begin along a side; all have the length ``tile``, spread evenly."""
    if length <= tile:
        return [0]
    count = math.ceil((length - tile) / (tile - overlap)) + 1
    return [round(k * (length - tile) / (count - 1)) for k in range(count)]


def weights(length: int, tile: int, overlap: int) -> Tensor:
    """Return the share of each tile in each place (K, length), float64; they sum to 1 everywhere.

    Inside a tile it is high, towards another one it falls as a squared sine; at the picture's edge it does not fall.
    """
    begins = starts(length, tile, overlap)
    ramp = torch.sin(math.pi / 2 * (torch.arange(overlap, dtype=torch.float64) + 0.5) / max(overlap, 1)) ** 2
    rows = torch.zeros(len(begins), length, dtype=torch.float64)
    for k, begin in enumerate(begins):
        row = torch.ones(min(tile, length), dtype=torch.float64)
        if k > 0:
            row[:overlap] *= ramp
        if k < len(begins) - 1:
            row[-overlap:] *= ramp.flip(0)
        rows[k, begin : begin + len(row)] = row
    return rows / rows.sum(0)


class TiledModel:
    """A model whose predictions are blended from tiles; everything else is the model's own.

    Args:
        model: The model.

    Attributes:
        rows: Rows evaluated beyond those that were asked for.
        calls: Calls of the network beyond those.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.tile = max(model.native_size // model.factor, 1)
        self.rows, self.calls = 0, 0
        self.overlap = min(max(self.tile // 4, LEAST_OVERLAP), self.tile // 2)

    def __getattr__(self, name: str) -> Any:
        """Everything that is not about tiles is the model's."""
        return getattr(self.model, name)

    def describe(self, size: tuple[int, int]) -> str:
        """How many tiles a picture of (width, height) model pixels takes, in words."""
        factor = self.model.factor
        width, height = (side // factor for side in size)
        count = len(starts(width, self.tile, self.overlap)) * len(starts(height, self.tile, self.overlap))
        side, overlap = self.tile * factor, self.overlap * factor
        return f"{count} tile{'s' if count > 1 else ''} of {side}x{side}, overlap {overlap}"

    def embed(
        self,
        prompts: Sequence[str],
        size: tuple[int, int] | None = None,
        pieces: int | None = None,
        second: str | None = None,
    ) -> Conditioning:
        """Return conditioning; a model that is told sizes is told a tile's."""
        side = self.tile * self.model.factor
        least = None if size is None else (min(size[0], side), min(size[1], side))
        return self.model.embed(prompts, least, pieces, second)

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Any] = ()
    ) -> Prediction:
        """Predict for ``x`` (B, C, h, w) from its tiles; one tile is bitwise the model itself.

        Raises:
            MethodError: If activations are to be read or changed: they are of one tile each.
        """
        if taps:
            raise MethodError("what reads or changes activations cannot work in tiles: leave --tiles out")
        return self._predict(x, level, cond, None)

    def predict_part(self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, unused: Tensor) -> Prediction:
        """Predict without the tiles in which all is ``unused`` (1, 1, h, w); it is ``x`` where no tile reaches."""
        return self._predict(x, level, cond, unused)

    def _predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, unused: Tensor | None
    ) -> Prediction:
        height, width = x.shape[-2:]
        down, across = (starts(side, self.tile, self.overlap) for side in (height, width))
        if len(down) == len(across) == 1:
            return self.model.predict(x, level, cond)
        shares = [weights(side, self.tile, self.overlap) for side in (height, width)]
        tall, wide = min(self.tile, height), min(self.tile, width)
        places = [
            (k, j)
            for k in range(len(down))
            for j in range(len(across))
            if unused is None or not bool(unused[..., down[k] : down[k] + tall, across[j] : across[j] + wide].all())
        ]
        if not places:  # the answer has a shape and nothing else
            places = [(0, 0)]
        tiles: list[tuple[Prediction, Tensor, tuple[int, int]]] = []
        together = max(ROWS // x.shape[0], 1)
        for first in range(0, len(places), together):
            chosen = places[first : first + together]
            cuts = [x[..., down[k] : down[k] + tall, across[j] : across[j] + wide] for k, j in chosen]
            rows = x.shape[0]
            levels = level if isinstance(level, Level) else list(level) * len(chosen)
            expanded = cond.expand(rows)
            many = Conditioning.cat([self._of_tile(expanded, down[k], across[j], tall, wide) for k, j in chosen])
            prediction = self.model.predict(torch.cat(cuts), levels, many)
            for n, (k, j) in enumerate(chosen):
                row, column = down[k], across[j]
                share = shares[0][k, row : row + tall, None] * shares[1][j, None, column : column + wide]
                part = prediction.rows(n * rows, (n + 1) * rows)
                tiles.append((part, share.to(x.device, torch.float32), (row, column)))
        blended = _blended(tiles, x)
        if unused is not None:  # what no tile reaches is put back by who said so; until then it is shown as it is
            reached = self._reached(x, places)
            blended = replace(blended, x0=torch.where(reached, blended.x0, x.to(blended.x0.dtype)))
        self.rows += (len(places) - 1) * x.shape[0]
        self.calls += -(-len(places) // together) - 1
        return blended

    def _reached(self, x: Tensor, places: Sequence[tuple[int, int]]) -> Tensor:
        """Where (1, 1, h, w) these tiles lie."""
        height, width = x.shape[-2:]
        down, across = (starts(side, self.tile, self.overlap) for side in (height, width))
        reached = torch.zeros(1, 1, height, width, dtype=torch.bool, device=x.device)
        for k, j in places:
            reached[..., down[k] : down[k] + self.tile, across[j] : across[j] + self.tile] = True
        return reached

    def _of_tile(self, cond: Conditioning, top: int, left: int, tall: int, wide: int) -> Conditioning:
        """The conditioning with the tile's part of the control picture."""
        if cond.control is None:
            return cond
        f = self.model.factor
        return replace(cond, control=cond.control[..., top * f : (top + tall) * f, left * f : (left + wide) * f])


def _blended(tiles: Sequence[tuple[Prediction, Tensor, tuple[int, int]]], x: Tensor) -> Prediction:
    """The sum of weighted tiles, always in the same order."""
    first = tiles[0][0]
    variance = None if first.variance is None else _blank(first.variance, x)
    total = Prediction(_blank(first.x0, x), _blank(first.eps, x), variance)
    for part, share, (row, column) in tiles:
        for whole, tile in zip(_tensors(total), _tensors(part), strict=True):
            if whole is not None and tile is not None:
                whole[..., row : row + share.shape[0], column : column + share.shape[1]] += share * tile
    return total


def _blank(tile: Tensor, x: Tensor) -> Tensor:
    return torch.zeros(*tile.shape[:2], *x.shape[-2:], dtype=tile.dtype, device=tile.device)


def _tensors(prediction: Prediction) -> tuple[Tensor | None, ...]:
    return tuple(getattr(prediction, name) for name in prediction.__dataclass_fields__)
