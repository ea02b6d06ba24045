"""Where added words act, found while sampling: by their attention and by what they change (arXiv 2311.16711 eq. 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.core.words import PlacedGuidance, PlacedWords
from scumble.energies.sites import SMALL_WORDS, attention_sites, joined_grids, site_sizes
from scumble.images import to_image
from scumble.maps.guided_filter import fitted_to_edges, otsu_threshold
from scumble.models.taps import Tap
from scumble.models.words import words_of

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["AttentionOfWords", "EdgeMasks", "Finder", "ImplicitGuidance", "attention_of_new_words"]

RADIUS = 2.5
"""Radius of the guided filter in cells."""
GUIDE = 128
"""Longer side in pixels of the image whose edges masks take."""
EARLY = 0.15
"""Share of signal below which predictions do not say yet where they differ."""


class Finder(Protocol):
    """Finds where an added prompt acts at a step."""

    def taps(self, ctx: RunState) -> Sequence[Tap]:
        """Return what it reads inside the network."""
        ...

    def find(self, ctx: RunState, row: str, change: Tensor) -> Tensor | float:
        """Return the mask (B, 1, h, w) in [0, 1], 1: everywhere.

        Args:
            ctx: The run.
            row: Name of the row that was told the prompt.
            change: The prompt's prediction of noise less the one without it, where it may act (B, C, h, w).
        """
        ...


@dataclass
class ImplicitGuidance(PlacedGuidance):
    """``eps + sum_j s_j m_j M_j (eps_j - eps_0)``: each added prompt acts in its map m and in a mask M that is found.

    Args:
        finder: Finds M; None: 1 everywhere.
    """

    finder: Finder | None = None

    def taps(self, ctx: RunState) -> Sequence[Tap]:
        """What the masks are found by."""
        masks = self.finder.taps(ctx) if self.finder is not None and self._here(ctx) else ()
        return [*super().taps(ctx), *masks]

    def _added(
        self, ctx: RunState, of: Mapping[str, Prediction], here: Sequence[tuple[str, PlacedWords]]
    ) -> list[tuple[Tensor | float, Prediction]]:
        added, rows = super()._added(ctx, of, here), self._shared(ctx, here)
        if self.finder is None:
            return added
        masked: list[tuple[Tensor | float, Prediction]] = []
        for (name, one), (strength, prediction) in zip(here, added, strict=True):
            change = prediction.eps - of["uncond"].eps
            change = change if one.map is None else change * one.map
            masked.append((strength * self.finder.find(ctx, rows[name].name, change), prediction))
        return masked


@dataclass
class AttentionOfWords:
    """Reads where the words of each row look.

    Args:
        columns: Name of a row -> its tokens that are looked for.
        grids: Path of a cross-attention module -> (h, w) of its queries.
    """

    columns: Mapping[str, Sequence[int]]
    grids: Mapping[str, tuple[int, int]]
    looks: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def taps(self, ctx: RunState) -> list[Tap]:
        """A tap for each module."""

        def reader(path: str) -> Tap:
            def read(probs: Tensor) -> None:
                for row, tokens in self.columns.items():
                    if row in ctx.layout and tokens:
                        looks = probs[ctx.layout[row]][..., list(tokens)].sum(-1).mean(1)
                        self.looks.setdefault(row, {})[path] = looks.unflatten(-1, self.grids[path])[:, None]

            return Tap(path, read, "probs")

        return [reader(path) for path in self.grids]

    def of(self, row: str) -> dict[str, Tensor]:
        """Return the share of attention in every module (B, 1, h, w), averaged over heads; none for other rows."""
        return self.looks.get(row, {})


def attention_of_new_words(batch: EditBatch, texts: Sequence[str], source_prompt: str) -> AttentionOfWords:
    """Read where the words of each text look that the source prompt does not have; all of them, where it has all."""
    denoiser, columns = batch.model.denoiser, dict[str, list[int]]()
    known = {*words_of(source_prompt), *SMALL_WORDS}
    for k, text in enumerate(texts):
        words = words_of(text)
        wanted = [word for word in words if word not in known] or [w for w in words if w not in SMALL_WORDS] or words
        columns[f"words{k}"] = sorted({i for word in wanted for i in batch.model.word_tokens(text, word)})
    grids = site_sizes(denoiser, batch.shape)
    return AttentionOfWords(columns, {path: grids[path] for path in attention_sites(denoiser, batch.shape)})


@dataclass
class EdgeMasks:
    """Masks that take the edges of the image, cut where they part best.

    Args:
        picture: The image (1, 3, H, W) in [-1, 1].
        attention: Where words look; None: not asked.
        difference: Whether the place of the change counts, too; both must agree then.
        threshold: Quantile above which a cell belongs to a mask; None: Otsu's threshold of each.
    """

    picture: Tensor
    attention: AttentionOfWords | None
    difference: bool = True
    threshold: float | None = None

    def taps(self, ctx: RunState) -> Sequence[Tap]:
        """What attention is read by."""
        return () if self.attention is None else self.attention.taps(ctx)

    def find(self, ctx: RunState, row: str, change: Tensor) -> Tensor | float:
        """Cut each map, and return what all have in common."""
        maps: list[Tensor] = []
        if self.attention is not None and (looks := self.attention.of(row)):
            maps.append(joined_grids(looks))
        if self.difference and ctx.level.a > EARLY:
            maps.append(change.abs().sum(1, keepdim=True))
        mask: Tensor | float = 1.0
        for values in maps:
            mask = mask * torch.stack([self._cut(one[0], change) for one in values])
        return mask

    def _cut(self, values: Tensor, like: Tensor) -> Tensor:
        """A map (h, w) cut along the edges of the image, as shares of the cells (1, h', w') of x."""
        low, spread = values.min(), values.max() - values.min()
        if not spread > 0:
            return torch.ones(1, *like.shape[-2:], device=like.device)
        sides = self.picture.shape[-2:]
        scale = min(1.0, GUIDE / max(sides))
        size = (round(sides[1] * scale), round(sides[0] * scale))
        small = F.interpolate(((values - low) / spread)[None, None].float(), size[::-1], mode="bilinear")[0, 0]
        guide = to_image(self.picture)[0].resize(size)
        radius = max(1, round(RADIUS * size[0] / like.shape[-1]))
        soft = fitted_to_edges(guide, small.double().cpu().numpy(), radius)
        cut = otsu_threshold(soft) if self.threshold is None else float(np.quantile(soft, self.threshold))
        inside = torch.from_numpy((soft >= cut).astype(np.float32)).to(like)
        return F.interpolate(inside[None, None], like.shape[-2:], mode="area")[0]
