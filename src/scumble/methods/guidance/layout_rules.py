"""Rules by which the layout energies look words up and draw silhouettes; the published code has others."""

from __future__ import annotations

from typing import Literal

from scumble.energies.attention_maps import Transform
from scumble.energies.sites import described, head_columns
from scumble.energies.words import Columns
from scumble.methods.guidance.layout_fields import WordWishes
from scumble.models.base import Model

__all__ = ["LayoutRules"]


class LayoutRules:
    """Soft silhouettes, read from the noun of a phrase."""

    hard = False
    """Compare thresholded silhouettes."""
    sharp = True
    """Take centers of sharpened maps."""
    smooth = 0.01
    """Difference below which ``near_zero="smooth"`` lets the slope fade."""

    def columns(self, model: Model, phrase: str, prompt: str, source: str) -> Columns:
        """Columns of the noun: it attends to the object, its adjectives often do not."""
        return head_columns(model, phrase, prompt, source)

    def pivot(self, wishes: WordWishes, phrase: str) -> Literal["centre", "foot"]:
        """The fixed point where none is given: objects stand on their foot."""
        return "centre" if phrase in wishes.rotate else "foot"

    def freed(self, columns: Columns, transform: Transform) -> list[tuple[Columns, Transform]]:
        """Where an object goes other silhouettes are not held."""
        return [(columns, transform)]

    def phrase(self, phrase: str, prompt: str) -> str:
        """The words that move with an object: those that describe it must be free to go too."""
        return described(phrase, prompt)
