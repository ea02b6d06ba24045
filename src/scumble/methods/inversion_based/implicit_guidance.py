"""Added words that act where they find their place (arXiv 2311.16711 eq. 9): guidance with a mask for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.core.words import PlacedGuidance, PlacedWords
from scumble.models.taps import Tap

__all__ = ["Finder", "ImplicitGuidance"]


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
