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
from scumble.models.forward import embed, embed_early
from scumble.models.live_hash import network_mark
from scumble.models.words import find_word, no_such_word, spelled_out, spellings

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
        return list(self.tokenizer(spelled_out(self.tokenizer, prompt), truncation=False, verbose=False).input_ids)

    def padded(self, prompt: str, device: torch.device) -> Tensor:
        """Return the ids (1, limit) that the network is given."""
        whole = spelled_out(self.tokenizer, prompt)
        batch = self.tokenizer(
            [whole], padding="max_length", max_length=self.limit, truncation=True, return_tensors="pt"
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
        self.skip = 0
        self._known: OrderedDict[Any, tuple[Tensor, Tensor | None]] = OrderedDict()

    def embed(self, prompt: str) -> tuple[Tensor, Tensor | None]:
        """Return float32 token embeddings (1, L, D) and, with two encoders, the pooled embedding (1, P)."""
        marks = [(len(one.tokenizer), network_mark(one.network)) for one in self.encoders]
        key = (prompt, self.skip, *marks)  # what adapters or learned words change is computed again
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        cut = self.words_cut(prompt)
        if cut:
            log.warning("the prompt is longer than %d tokens; not seen: %s", self.encoders[0].limit, cut)
        with torch.no_grad():
            result = self._single(prompt) if len(self.encoders) == 1 else self._double(prompt)
        self._known[key] = result
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return result

    def skip_layers(self, count: int) -> None:
        """Leave out the last ``count`` layers of the encoders.

        Raises:
            InputError: If an encoder has no more than these.
        """
        layers = min(int(one.network.config.num_hidden_layers) for one in self.encoders) - (len(self.encoders) > 1)
        if not 0 <= count < layers:
            raise InputError(f"--clip-skip must be below {layers}, the layers of the text encoder, got {count}")
        self.skip = count

    def _single(self, prompt: str) -> tuple[Tensor, None]:
        encoder = self.encoders[0]
        mask = None
        if getattr(encoder.network.config, "use_attention_mask", False):
            length = min(len(encoder.ids(prompt)), encoder.limit)
            mask = (torch.arange(encoder.limit, device=self.device) < length).long()[None]
        ids = encoder.padded(prompt, self.device)
        if self.skip:
            return embed_early(encoder.network, ids, mask, self.skip), None
        return embed(encoder.network, ids, mask, penultimate=False)[0], None

    def _double(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Penultimate states side by side, and the pooled embedding of the last (arXiv 2307.01952 section 2.1)."""
        outputs = [
            embed(encoder.network, encoder.padded(prompt, self.device), None, penultimate=True, skip=self.skip)
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
        ids, variants = self.tokens(prompt), spellings(tokenizer, spelled_out(tokenizer, word.strip()))
        if not variants:
            raise InputError(f"a word to look for in a prompt must have at least one character, got {word!r}")
        positions = find_word(ids, tokenizer.convert_ids_to_tokens(ids), variants)
        if not positions:
            raise no_such_word(prompt, word, self.words_cut(prompt))
        return positions
