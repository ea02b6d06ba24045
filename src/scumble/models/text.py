"""Prompts to embeddings: one CLIP text encoder (SD 1.x, 2.x), or two side by side (SDXL)."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scumble.errors import InputError
from scumble.models.forward import embed
from scumble.models.words import find_word, no_such_word, spellings

__all__ = ["TextEncoder", "TextStack"]

log = logging.getLogger("scumble")

REMEMBERED = 256
"""Prompts whose embeddings are kept."""


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and the transformer that reads its ids."""

    tokenizer: Any
    network: Any

    @property
    def limit(self) -> int:
        """How many tokens it sees, markers included."""
        return min(int(self.tokenizer.model_max_length), int(self.network.config.max_position_embeddings))

    def ids(self, prompt: str) -> list[int]:
        """Return the ids of a whole prompt, first and last markers included, not cut."""
        return list(self.tokenizer(prompt, truncation=False, verbose=False).input_ids)

    def padded(self, prompt: str, device: torch.device) -> Tensor:
        """Return the ids (1, limit) that the network is given."""
        batch = self.tokenizer(
            [prompt], padding="max_length", max_length=self.limit, truncation=True, return_tensors="pt"
        )
        ids: Tensor = batch.input_ids
        return ids.to(device)


class TextStack:
    """The text encoders of a checkpoint as one.

    Args:
        encoders: One, or SDXL's two.
        device: Where they run.
        zeros_for_empty: SDXL was trained with zeros in place of the embedding of no words
            (``force_zeros_for_empty_prompt`` of its pipeline config); then the empty prompt is zeros.
    """

    def __init__(self, encoders: Sequence[TextEncoder], device: torch.device, zeros_for_empty: bool = False) -> None:
        self.encoders = tuple(encoders)
        self.device = device
        self.zeros_for_empty = zeros_for_empty and len(self.encoders) > 1
        self._known: OrderedDict[str, tuple[Tensor, Tensor | None]] = OrderedDict()

    def embed(self, prompt: str) -> tuple[Tensor, Tensor | None]:
        """Return float32 token embeddings (1, L, D) and, with two encoders, the pooled embedding (1, P)."""
        if prompt in self._known:
            self._known.move_to_end(prompt)
            return self._known[prompt]
        cut = self.words_cut(prompt)
        if cut:
            log.warning("the prompt is longer than %d tokens; not seen: %s", self.encoders[0].limit, cut)
        with torch.no_grad():
            result = self._single(prompt) if len(self.encoders) == 1 else self._double(prompt)
        self._known[prompt] = result
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return result

    def _single(self, prompt: str) -> tuple[Tensor, None]:
        encoder = self.encoders[0]
        mask = None
        if getattr(encoder.network.config, "use_attention_mask", False):
            length = min(len(encoder.ids(prompt)), encoder.limit)
            mask = (torch.arange(encoder.limit, device=self.device) < length).long()[None]
        states, _ = embed(encoder.network, encoder.padded(prompt, self.device), mask, penultimate=False)
        return states, None

    def _double(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Penultimate states side by side, and the pooled embedding of the last (arXiv 2307.01952 section 2.1)."""
        outputs = [
            embed(encoder.network, encoder.padded(prompt, self.device), None, penultimate=True)
            for encoder in self.encoders
        ]
        embeds = torch.cat([states for states, _ in outputs], dim=-1)
        pooled = outputs[-1][1]
        assert pooled is not None
        if self.zeros_for_empty and prompt == "":
            return torch.zeros_like(embeds), torch.zeros_like(pooled)
        return embeds, pooled

    def tokens(self, prompt: str) -> list[int]:
        """Return the ids that the first encoder sees, markers included, padding left out."""
        encoder = self.encoders[0]
        ids = encoder.ids(prompt)
        return ids if len(ids) <= encoder.limit else [*ids[: encoder.limit - 1], ids[-1]]

    def words_cut(self, prompt: str) -> str:
        """Return the end of a prompt that no encoder sees, or an empty string."""
        encoder = self.encoders[0]
        ids = encoder.ids(prompt)
        return str(encoder.tokenizer.decode(ids[encoder.limit - 1 : -1])).strip() if len(ids) > encoder.limit else ""

    def word_tokens(self, prompt: str, word: str) -> list[int]:
        """Return the positions of every occurrence of a word or phrase in :meth:`tokens`.

        Raises:
            InputError: If there is none, or it was cut.
        """
        tokenizer = self.encoders[0].tokenizer
        ids, variants = self.tokens(prompt), spellings(tokenizer, word.strip())
        if not variants:
            raise InputError(f"a word to look for in a prompt must have at least one character, got {word!r}")
        found = find_word(ids, tokenizer.convert_ids_to_tokens(ids), variants)
        if not found:
            raise no_such_word(prompt, word, self.words_cut(prompt))
        return found
