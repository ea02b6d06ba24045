"""The prompts of a run, and the rules that count steps and align prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from scumble.methods.attention.prompt_tokens import PromptTokens
from scumble.methods.attention.step_range import Window, window_steps
from scumble.methods.attention.swap_sites import gate_table
from scumble.methods.attention.token_alignment import (
    Mode,
    TokenMap,
    refine_map,
    replace_map,
    replaces,
)
from scumble.models.base import Model

__all__ = ["EditRules", "PromptPair", "RULES"]


@dataclass(frozen=True)
class PromptPair:
    """The prompts of a run.

    Attributes:
        model: Whose tokens count.
        source: The source's prompt.
        targets: The edited prompts: one, or one per sample.
        length: L, columns of cross-attention.
    """

    model: Model
    source: str
    targets: tuple[str, ...]
    length: int


class EditRules:
    """Rules that count steps and align prompts."""

    def span(self, first: int, steps: int) -> int:
        """The number of steps of which windows are shares: those that are run."""
        return steps - first

    def window(self, window: Window, span: int) -> range:
        """Steps of a window, from the first one that is run."""
        return window_steps(window, span)

    def gates(self, span: int, length: int, window: Window, words: Mapping[tuple[int, ...], Window]) -> Tensor:
        """At which steps the attention of which columns is held: (steps, L)."""
        return gate_table(span, length, window, words)

    def token_map(self, mode: Mode, source: PromptTokens, target: PromptTokens, length: int) -> TokenMap:
        """Which source columns each target column takes its attention from."""
        return (replace_map if replaces(mode, source, target) else refine_map)(source, target, length)


RULES = EditRules()
