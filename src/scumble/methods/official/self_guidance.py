"""Self-guidance as the authors' notebook runs it."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from scumble.energies.attention_maps import Transform
from scumble.energies.sites import columns_of
from scumble.energies.words import Columns
from scumble.methods.batch import EditBatch
from scumble.methods.guidance.layout_fields import WordWishes
from scumble.methods.guidance.layout_rules import LayoutRules
from scumble.methods.guidance.self_guidance import SelfGuidance
from scumble.models.base import Model

__all__ = ["PRESETS"]


class OfficialRules(LayoutRules):
    """Centers of plain maps and hard silhouettes, of all words of a phrase; nothing is freed for what moves."""

    hard, sharp, smooth = True, False, 0.0

    def columns(self, model: Model, phrase: str, prompt: str, source: str) -> Columns:
        """Columns of the whole phrase."""
        return columns_of(model, phrase, prompt, source)

    def pivot(self, wishes: WordWishes, phrase: str) -> Literal["centre", "foot"]:
        """Silhouettes are resized about their center."""
        return "centre"

    def freed(self, columns: Columns, transform: Transform) -> list[tuple[Columns, Transform]]:
        """All silhouettes are held everywhere."""
        return []

    def phrase(self, phrase: str, prompt: str) -> str:
        """The phrase alone."""
        return phrase


def run(method: SelfGuidance, batch: EditBatch) -> Tensor | None:
    """Add the gradient to the noise prediction without the factor s and without a limit."""
    source = method.source(batch, inversion_start="same")
    return method.guided(batch, source, OfficialRules(), cap=None, scale=method.strength, by_sigma=False)


PRESETS = {"official": run}
