"""An edit confined to where its words are looked at: outside, the source's latent is put back at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.core.control import Constraint, RunState, Trajectory
from scumble.models.sites import sites
from scumble.models.taps import Tap

__all__ = ["BlendWords", "LocalBlend", "map_sites"]

SMALLEST_SIDE = 8
"""Attention maps with a shorter side say too little about where a thing is."""


def map_sites(denoiser: nn.Module, shape: Sequence[int]) -> tuple[tuple[str, ...], tuple[int, int]]:
    """The cross-attention layers whose maps tell where a word is, and the (height, width) of their maps.

    A quarter of the latent's side, as in Stable Diffusion; where a network has no such layer or its maps are smaller
    than 8 cells, the coarsest layers that are not.
    """
    h, w = shape[-2:]
    candidates = sites(denoiser, "cross_attention")
    divisors = sorted({site.divisor for site in candidates})
    fine = [d for d in divisors if min(h, w) / d >= SMALLEST_SIDE] or divisors[:1]
    best = 4 if 4 in fine else fine[-1]
    return tuple(s.path for s in candidates if s.divisor == best), (math.ceil(h / best), math.ceil(w / best))


@dataclass(frozen=True)
class BlendWords:
    """Columns of the words that mark a place, as ones among zeros; one of the two may be all zeros.

    Attributes:
        source: In the source's prompt, (1, L).
        target: In the edited prompt, (1, L) or one row per sample.
    """

    source: Tensor
    target: Tensor


@dataclass
class LocalBlend(Constraint):
    """Put the source back outside the region that the words look at (arXiv 2208.01626 section 3.2, local editing).

    The region: cross-attention of the words' tokens, averaged over heads and layers and summed over all steps so far,
    spread by a 3 x 3 maximum, divided by its greatest value, above the threshold, in either of the two rows. Since
    all before the maximum is linear, one running sum per row stands for all stored maps. The edited row's maps are
    seen after the attention swap, as published.

    Args:
        maps: Layers of :func:`map_sites`.
        size: Their (height, width).
        source: ``source(ctx, i)`` is the source at the level of step i.
        words: Where to edit.
        threshold: Share of the largest value at which a cell counts as part of the region.
        subtract: Where not to edit (not spread), or None.
        subtract_threshold: The same for these.
        start_step: The region is enforced after this step of the run.
    """

    maps: tuple[str, ...]
    size: tuple[int, int]
    source: Trajectory
    words: BlendWords
    threshold: float = 0.3
    subtract: BlendWords | None = None
    subtract_threshold: float = 0.3
    start_step: int = 0
    _sums: dict[str, Tensor] = field(default_factory=dict)

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Read the maps of the two conditional rows."""

        def read(probs: Tensor) -> None:
            self._add(ctx, probs)

        return [Tap(path, read, "probs") for path in self.maps]

    def _add(self, ctx: RunState, probs: Tensor) -> None:
        if "source" not in ctx.layout or "cond" not in ctx.layout:
            return
        sums = self._sums
        for row, of in (("source", "source"), ("cond", "target")):
            for kind, words in (("in", self.words), ("out", self.subtract)):
                if words is None:
                    continue
                columns: Tensor = getattr(words, of).to(probs)
                attention = (probs[ctx.layout[row]].detach().mean(1) * columns.unsqueeze(-2)).sum(-1)
                key = f"{kind}/{of}"
                sums[key] = sums[key] + attention if key in sums else attention

    def mask(self, ctx: RunState) -> Tensor:
        """The region so far, (B, 1, h, w), True = edited."""
        inside = self._region(ctx, "in", self.threshold, spread=True)
        if self.subtract is not None:
            inside = inside & ~self._region(ctx, "out", self.subtract_threshold, spread=False)
        return inside

    def _region(self, ctx: RunState, kind: str, threshold: float, spread: bool) -> Tensor:
        region = torch.zeros((), dtype=torch.bool, device=ctx.device)
        for of in ("source", "target"):
            attention = self._sums[f"{kind}/{of}"].unflatten(-1, self.size).unsqueeze(1)
            if spread:
                attention = F.max_pool2d(attention, 3, stride=1, padding=1)
            attention = F.interpolate(attention, size=tuple(ctx.shape[-2:]), mode="nearest")
            region = region | (attention > threshold * attention.amax((-2, -1), keepdim=True))
        return region

    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        """Put the source back outside the region."""
        if ctx.i < self.start_step or not self._sums:
            return x
        return torch.where(self.mask(ctx), x, self.source(ctx, ctx.i + 1))
