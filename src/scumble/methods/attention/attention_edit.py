"""From words to controls: what a person says about words becomes maps, gates, weights and places of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from scumble.core.control import RunState
from scumble.errors import InputError, nearest
from scumble.methods.attention.attention_swap import AttentionSwap, SwapSites, gate_table
from scumble.methods.attention.local_blend import BlendWords, LocalBlend, map_sites
from scumble.methods.attention.step_range import Window, window_steps
from scumble.methods.attention.token_alignment import Mode, TokenMap, read_words, token_map
from scumble.models.base import Model

__all__ = ["PromptPair", "AttentionEdit"]


@dataclass(frozen=True)
class PromptPair:
    """What the rows of a run are told.

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


@dataclass(frozen=True)
class AttentionEdit:
    """How the attention of words is to be edited, and where the edit is to stay.

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
        official: As published, see :func:`gate_table` and :mod:`scumble.methods.attention.token_alignment`.
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
    official: bool = False

    def swap(self, told: PromptPair, sites: SwapSites, first: int, steps: int) -> AttentionSwap:
        """Build the control of attention.

        Args:
            told: Prompts.
            sites: Layers.
            first: The step at which the run begins.
            steps: N of the whole run; windows are shares of the ``N - first`` steps that are run, as published of N.

        Raises:
            InputError: If a word is in no prompt, or the prompts cannot be aligned in this mode.
        """
        model, targets, length = told.model, told.targets, told.length
        span = steps if self.official else steps - first
        slack = {"slack": 0.0} if self.official else {}
        known = read_words(model.tokens, told.source)
        maps = [token_map(self.mode, known, read_words(model.tokens, t), length, self.official) for t in targets]
        windows = {word: _columns(model, word, targets, "new prompt") for word in self.windows}
        weights = {word: _columns(model, word, targets, "new prompt") for word in self.weights}
        gates = []
        for k in range(len(targets)):
            own = {tuple(columns[k]): self.windows[word] for word, columns in windows.items()}
            gates.append(gate_table(span, length, self.cross, own, self.official))
        factors = torch.ones(len(targets), length)
        for word, columns in weights.items():
            for k, found in enumerate(columns):
                factors[k, found] = self.weights[word]
        own_window = window_steps(self.own, span, **slack)
        if len(targets) == 1:
            return AttentionSwap(sites, maps[0], gates[0], factors[0] if weights else None, own_window, first)
        joint = TokenMap(torch.stack([m.matrix for m in maps]), torch.stack([m.own for m in maps]))
        return AttentionSwap(sites, joint, torch.stack(gates, 1), factors if weights else None, own_window, first)

    def local_blend(
        self,
        told: PromptPair,
        denoiser: nn.Module,
        shape: Sequence[int],
        source: Callable[[RunState, int], Tensor],
        first: int,
        steps: int,
    ) -> LocalBlend | None:
        """Build the control that keeps the edit to its words; None when no words were named.

        Args:
            told: Prompts.
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
        kept = _marks(told, self.keep) if self.keep else None
        start = first + math.floor(self.blend_start * (steps - first))
        return LocalBlend(maps, size, source, _marks(told, self.blend), self.threshold, kept, self.threshold, start)


def _marks(told: PromptPair, words: Sequence[str]) -> BlendWords:
    """Where words are, in the source's prompt and in each edited one; a word need not be in both.

    Raises:
        InputError: If a word is in neither, or an edited prompt and the source's have none of them: then nothing would
            be left of the edit.
    """
    where = "source prompt nor in the new prompt"
    places = [_columns(told.model, word, [told.source, *told.targets], where) for word in words]
    marks = torch.zeros(1 + len(told.targets), told.length)
    for found in places:
        for row, columns in enumerate(found):
            marks[row, columns] = 1
    for row, target in enumerate(told.targets, start=1):
        if not marks[0].any() and not marks[row].any():
            raise InputError(f"none of the words {', '.join(map(repr, words))} is in {told.source!r} or {target!r}")
    return BlendWords(marks[:1], marks[1:])


def _columns(model: Model, word: str, prompts: Sequence[str], where: str) -> list[list[int]]:
    """The word's columns in each of the prompts, of which at least one has it."""
    found: list[list[int]] = []
    for prompt in prompts:
        try:
            found.append(model.word_tokens(prompt, word))
        except InputError:
            found.append([])
    if not any(found):
        known = [w for prompt in prompts for w in prompt.split()]
        said = " / ".join(repr(prompt) for prompt in dict.fromkeys(prompts))
        raise InputError(f"the word {word!r} is not in the {where}: {said}{nearest(word, known)}")
    return found
