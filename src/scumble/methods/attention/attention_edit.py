"""Turn words of the prompts into maps, gates, weights and positions of tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from scumble.core.control import Trajectory
from scumble.errors import InputError
from scumble.methods.attention.attention_swap import AttentionSwap
from scumble.methods.attention.edit_rules import RULES, EditRules, PromptPair
from scumble.methods.attention.local_blend import LocalBlend, map_sites
from scumble.methods.attention.prompt_tokens import prompt_tokens
from scumble.methods.attention.step_range import Window
from scumble.methods.attention.swap_sites import SwapSites
from scumble.methods.attention.token_alignment import Mode, TokenMap
from scumble.methods.attention.word_columns import columns_of, marks

__all__ = ["AttentionEdit"]


@dataclass(frozen=True)
class AttentionEdit:
    """Settings of an edit of attention, and of the place that it is kept to.

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
        span, source = self.rules.span(first, steps), prompt_tokens(model.tokens, prompts.source)
        maps = [self.rules.token_map(self.mode, source, prompt_tokens(model.tokens, t), length) for t in targets]
        windows = {word: columns_of(model, word, targets, "new prompt") for word in self.windows}
        weights = {word: columns_of(model, word, targets, "new prompt") for word in self.weights}
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
        exempt = marks(prompts, self.keep) if self.keep else None
        start = first + math.floor(self.blend_start * (steps - first))
        return LocalBlend(maps, size, source, marks(prompts, self.blend), self.threshold, exempt, self.threshold, start)
