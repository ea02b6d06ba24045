"""Where added words act, found while sampling: by their attention and by what they change (arXiv 2311.16711 eq. 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.control import RunState
from scumble.energies.sites import joined_grids
from scumble.images import to_image
from scumble.maps.guided_filter import fitted_to_edges, otsu_threshold
from scumble.methods.inversion_based.attention_of_words import AttentionOfWords
from scumble.models.taps import Tap

__all__ = ["EdgeMasks"]

RADIUS = 2.5
"""Radius of the guided filter in cells."""
GUIDE = 128
"""Longer side in pixels of the image whose edges masks take."""
EARLY = 0.15
"""Share of signal below which predictions do not say yet where they differ."""


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
