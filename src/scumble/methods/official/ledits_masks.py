"""Masks as diffusers' LEDITS++ pipeline makes them, for comparison only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.control import RunState
from scumble.methods.inversion_based.attention_of_words import AttentionOfWords
from scumble.models.taps import Tap

__all__ = ["PublishedMasks"]

NOISY = 800
"""Time above which only attention makes the mask."""


@dataclass
class PublishedMasks:
    """Masks cut at a quantile: smoothed attention at a quarter of the latent's size, and the size of the change.

    Args:
        attention: Of the concept's tokens; None: not asked.
        difference: Whether the size of the change counts.
        threshold: The quantile lambda.
    """

    attention: AttentionOfWords | None
    difference: bool
    threshold: float

    def taps(self, ctx: RunState) -> Sequence[Tap]:
        """What attention is read by."""
        return () if self.attention is None else self.attention.taps(ctx)

    def find(self, ctx: RunState, row: str, change: Tensor) -> Tensor | float:
        """Both masks where both are asked for; at much noise the one of attention alone."""
        mask: Tensor | float = 1.0
        if self.attention is not None:
            looks = torch.stack(list(self.attention.of(row).values())).mean(0)
            near = self._above(_smoothed(looks))
            mask = F.interpolate(near, change.shape[-2:])
        if self.difference and (self.attention is None or ctx.level.t <= NOISY):
            mask = mask * self._above(change.abs().sum(1, keepdim=True))
        return mask

    def _above(self, values: Tensor) -> Tensor:
        quantile = torch.quantile(values.flatten(1).float(), self.threshold, dim=1)
        return (values >= quantile[:, None, None, None]).to(values)


def _smoothed(maps: Tensor) -> Tensor:
    """A Gaussian of 3 x 3, its width twice the stated 0.5: the published exponent has it squared in the wrong place."""
    offsets = torch.tensor([-1.0, 0.0, 1.0], device=maps.device)
    line = torch.exp(-((offsets / (2 * 0.5)) ** 2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="reflect"), kernel[None, None].to(maps))
