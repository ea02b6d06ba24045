"""Prompt-to-Prompt as the published code runs it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from scumble.methods.attention.edit_rules import EditRules
from scumble.methods.attention.prompt_to_prompt import PromptToPrompt
from scumble.methods.attention.prompt_tokens import PromptTokens
from scumble.methods.attention.step_range import Window, window_steps
from scumble.methods.attention.swap_sites import gate_table
from scumble.methods.attention.token_alignment import Mode, TokenMap, refine_map, replaces, swapped_words
from scumble.methods.batch import EditBatch

__all__ = ["PRESETS", "OfficialRules"]

SELF_KEYS = 256


class OfficialRules(EditRules):
    """Windows are shares of all N steps, those of cross-attention of N + 1; alignment goes wrong behind words of
    unequal length."""

    def span(self, first: int, steps: int) -> int:
        """All steps, also those that are skipped."""
        return steps

    def window(self, window: Window, span: int) -> range:
        """Rounding is not forgiven: 0.58 of 50 gives 28."""
        return window_steps(window, span, slack=0.0)

    def gates(self, span: int, length: int, window: Window, words: Mapping[tuple[int, ...], Window]) -> Tensor:
        """N + 1 rows, of which the last is not used."""
        return gate_table(span + 1, length, window, words, slack=0.0)

    def token_map(self, mode: Mode, source: PromptTokens, target: PromptTokens, length: int) -> TokenMap:
        """The published alignment."""
        return (self.replace_map if replaces(mode, source, target) else self.refine_map)(source, target, length)

    def replace_map(self, source: PromptTokens, target: PromptTokens, length: int) -> TokenMap:
        """Behind the last swapped word, column n takes column n of the source even where the swap moved the words."""
        matrix, i, j = swapped_words(source, target, length)
        for column in range(j, length - max(i - j, 0)):
            matrix[column, column] = 1
        return TokenMap(matrix, torch.zeros(length))

    def refine_map(self, source: PromptTokens, target: PromptTokens, length: int) -> TokenMap:
        """All padding of the target takes the same columns of the source, also where a longer source has words."""
        return refine_map(source, target, length, tail=len(target.ids))


def run(method: PromptToPrompt, batch: EditBatch) -> Tensor | None:
    """Run with the published rules, and with self-attention of at most 256 keys."""
    source = method.source(batch, compat="official", inversion_start="same")
    return method.swapped(batch, source, SELF_KEYS, OfficialRules())


PRESETS = {"official": run}
