"""From words to controls: words of the prompts become maps, gates, weights and positions of tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from scumble.core.control import Trajectory
from scumble.errors import InputError, nearest
from scumble.methods.attention.attention_swap import AttentionSwap, SwapSites, gate_table
from scumble.methods.attention.local_blend import BlendWords, LocalBlend, map_sites
from scumble.methods.attention.step_range import Window, window_steps
from scumble.methods.attention.token_alignment import (
    Mode,
    TokenMap,
    Words,
    read_words,
    refine_map,
    replace_map,
    replaces,
)
from scumble.models.base import Model
from scumble.models.words import no_such_word

__all__ = ["RULES", "AttentionEdit", "EditRules", "PromptPair"]


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
    """How steps are counted and prompts aligned."""

    def span(self, first: int, steps: int) -> int:
        """The number of steps of which windows are shares: those that are run."""
        return steps - first

    def window(self, window: Window, span: int) -> range:
        """Steps of a window, from the first one that is run."""
        return window_steps(window, span)

    def gates(self, span: int, length: int, window: Window, words: Mapping[tuple[int, ...], Window]) -> Tensor:
        """At which steps the attention of which columns is held: (steps, L)."""
        return gate_table(span, length, window, words)

    def token_map(self, mode: Mode, source: Words, target: Words, length: int) -> TokenMap:
        """Which source columns each target column takes its attention from."""
        return (replace_map if replaces(mode, source, target) else refine_map)(source, target, length)


RULES = EditRules()


@dataclass(frozen=True)
class AttentionEdit:
    """How to edit the attention of words, and where to keep the edit.

    Attributes:
        mode: How the prompts are aligned.
        cross: Window of cross-attention.
        own: Window of self-attention.
        windows: Words with a window of their own.
        weights: Words whose attention is multiplied.
        blend: Words outside of which the source is put back.
        keep: Words that are taken out of their place again.
        threshold: For both, see :class:`LocalBlend`.
        blend_start: Share of the steps that are run after which the source is put back.
        rules: How steps are counted and prompts aligned.
    """

    mode: Mode = "auto"
    cross: Window = 0.8
    own: Window = 0.4
    windows: Mapping[str, Window] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    blend: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    threshold: float = 0.3
    blend_start: float = 0.0
    rules: EditRules = RULES

    def swap(self, prompts: PromptPair, sites: SwapSites, first: int, steps: int) -> AttentionSwap:
        """Build the control of attention.

        Args:
            prompts: Prompts.
            sites: Layers.
            first: The step at which the run begins.
            steps: N of the whole run.

        Raises:
            InputError: If a word is in no prompt, or the prompts cannot be aligned in this mode.
        """
        model, targets, length = prompts.model, prompts.targets, prompts.length
        span, source = self.rules.span(first, steps), read_words(model.tokens, prompts.source)
        maps = [self.rules.token_map(self.mode, source, read_words(model.tokens, t), length) for t in targets]
        windows = {word: _columns(model, word, targets, "new prompt") for word in self.windows}
        weights = {word: _columns(model, word, targets, "new prompt") for word in self.weights}
        gates = []
        for k in range(len(targets)):
            words = {tuple(columns[k]): self.windows[word] for word, columns in windows.items()}
            gates.append(self.rules.gates(span, length, self.cross, words))
        factors = torch.ones(len(targets), length)
        for word, columns in weights.items():
            for k, chosen in enumerate(columns):
                factors[k, chosen] = self.weights[word]
        own_window = self.rules.window(self.own, span)
        if len(targets) == 1:
            return AttentionSwap(sites, maps[0], gates[0], factors[0] if weights else None, own_window, first)
        joint = TokenMap(torch.stack([m.matrix for m in maps]), torch.stack([m.own for m in maps]))
        return AttentionSwap(sites, joint, torch.stack(gates, 1), factors if weights else None, own_window, first)

    def local_blend(
        self,
        prompts: PromptPair,
        denoiser: nn.Module,
        shape: Sequence[int],
        source: Trajectory,
        first: int,
        steps: int,
    ) -> LocalBlend | None:
        """Build the control that keeps the edit to its words; None when no words were named.

        Args:
            prompts: Prompts.
            denoiser: The network.
            shape: Shape (…, h, w) of the run.
            source: ``source(ctx, i)`` is the source at the level of step i.
            first: The step at which the run begins.
            steps: N of the whole run.

        Raises:
            InputError: If a word is in no prompt, or there are only words to keep.
        """
        if not self.blend:
            if self.keep:
                raise InputError("keep_words take places out of those of blend_words: name blend_words too")
            return None
        maps, size = map_sites(denoiser, shape)
        exempt = _marks(prompts, self.keep) if self.keep else None
        start = first + math.floor(self.blend_start * (steps - first))
        return LocalBlend(
            maps, size, source, _marks(prompts, self.blend), self.threshold, exempt, self.threshold, start
        )


def _marks(prompts: PromptPair, words: Sequence[str]) -> BlendWords:
    """Where words are, in the source's prompt and in each edited one; a word need not be in both.

    Raises:
        InputError: If a word is in neither, or an edited prompt and the source's have none of them: then nothing would
            be left of the edit.
    """
    where = "source prompt nor in the new prompt"
    marks = torch.zeros(1 + len(prompts.targets), prompts.length)
    for word in words:
        for row, columns in enumerate(_columns(prompts.model, word, [prompts.source, *prompts.targets], where)):
            marks[row, columns] = 1
    for row, target in enumerate(prompts.targets, start=1):
        if not marks[0].any() and not marks[row].any():
            raise InputError(f"none of the words {', '.join(map(repr, words))} is in {prompts.source!r} or {target!r}")
    return BlendWords(marks[:1], marks[1:])


def _columns(model: Model, word: str, prompts: Sequence[str], where: str) -> list[list[int]]:
    """The word's columns in each of the prompts, of which at least one has it."""
    columns: list[list[int]] = []
    for prompt in prompts:
        try:
            columns.append(model.word_tokens(prompt, word))
        except InputError:
            columns.append([])
    if not any(columns):
        for prompt in prompts:
            if word.lower().strip() in (cut := model.words_cut(prompt)).lower():
                raise no_such_word(prompt, word, cut)
        known = [w for prompt in prompts for w in prompt.split()]
        quoted = " / ".join(repr(prompt) for prompt in dict.fromkeys(prompts))
        raise InputError(f"the word {word!r} is not in the {where}: {quoted}{nearest(word, known)}")
    return columns
