"""Prompts to embeddings: one CLIP text encoder (SD 1.x, 2.x), or two side by side (SDXL)."""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scumble.errors import InputError
from scumble.models.live_hash import network_mark
from scumble.models.runtime.base import Runtime
from scumble.models.text_encoder import TextEncoder
from scumble.models.words import find_word, no_such_word, spelled_out, spellings

__all__ = ["MOST_PIECES", "TextEncoder", "TextStack"]

log = logging.getLogger("scumble")

REMEMBERED = 256
"""Prompts whose embeddings are kept."""
MOST_PIECES = 16
"""A prompt is cut at this multiple of what an encoder reads."""


class TextStack:
    """The text encoders of a checkpoint as one.

    A prompt longer than an encoder reads is cut into pieces, each between its own markers, whose states are joined, as
    is usual; the pooled embedding is that of the first piece. A shorter one that stands beside it gets empty pieces.

    Args:
        encoders: One, or SDXL's two.
        device: Where they run.
        zeros_for_empty: SDXL was trained with zeros in place of the embedding of no words
            (``force_zeros_for_empty_prompt`` of its pipeline config); then the empty prompt is zeros.

    Attributes:
        skip: Layers left out at the end.
        weighted: Whether ``(text:1.3)`` in a prompt is a weight.
        most: Most pieces of a prompt.
    """

    def __init__(self, encoders: Sequence[TextEncoder], device: torch.device, zeros_for_empty: bool = False) -> None:
        self.encoders = tuple(encoders)
        self.device = device
        self.zeros_for_empty = zeros_for_empty and len(self.encoders) > 1
        self.skip, self.weighted, self.most = 0, False, MOST_PIECES
        self._known: OrderedDict[Any, tuple[Tensor, Tensor | None]] = OrderedDict()

    def cut(self) -> TextStack:
        """The same encoders, which read one piece and no more: what version 0.1 did."""
        stack = copy.copy(self)
        stack.most, stack._known = 1, OrderedDict()
        return stack

    def pieces(self, prompt: str, second: str | None = None) -> int:
        """How many pieces a prompt needs (and ``second``, what the second encoder reads instead of it)."""
        texts = [prompt, *(prompt if second is None else second for _ in self.encoders[1:])]
        pairs = zip(self.encoders, texts, strict=True)
        needed = max(-(-len(one.read(text, self.weighted)[0]) // one.room) for one, text in pairs)
        return min(max(needed, 1), self.most)

    def embed(
        self, prompt: str, pieces: int | None = None, second: str | None = None, runtime: Runtime | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return float32 token embeddings (1, L, D) and, with two encoders, the pooled embedding (1, P).

        Args:
            prompt: The text.
            pieces: How many pieces it is to have, at least what it needs; None: just that.
            second: What the second encoder reads; None: the same.
            runtime: What answers for the encoders; None: PyTorch.
        """
        count = min(max(pieces or 1, self.pieces(prompt, second)), self.most)
        marks = [(len(one.tokenizer), network_mark(one.network)) for one in self.encoders]
        by = None if runtime is None else (runtime.name, runtime.precision)
        # what adapters or learned words change is computed again
        key = (prompt, second, count, self.skip, self.weighted, by, *marks)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        if cut := self.words_cut(prompt):
            log.warning("the prompt is longer than %d tokens; not seen: %s", self.most * self.encoders[0].room, cut)
        with torch.no_grad():
            if len(self.encoders) == 1:
                result: tuple[Tensor, Tensor | None] = self._single(prompt, count, runtime), None
            else:
                result = self._double(prompt, second, count, runtime)
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

    def _single(self, prompt: str, count: int, runtime: Runtime | None) -> Tensor:
        return self.encoders[0].states(prompt, count, self.device, self.skip, self.weighted, runtime)

    def _double(self, prompt: str, second: str | None, count: int, runtime: Runtime | None) -> tuple[Tensor, Tensor]:
        """Penultimate states side by side, and the pooled embedding of the last (arXiv 2307.01952 section 2.1)."""
        outputs = [
            encoder.pooled_states(text, count, self.device, self.skip, self.weighted, runtime)
            for encoder, text in zip(self.encoders, (prompt, prompt if second is None else second), strict=True)
        ]
        embeds = torch.cat([states for states, _ in outputs], dim=-1)
        pooled = outputs[-1][1]
        if self.zeros_for_empty and prompt == "" and not second:
            return torch.zeros_like(embeds), torch.zeros_like(pooled)
        return embeds, pooled

    def tokens(self, prompt: str) -> list[int]:
        """Return the ids that the first encoder sees, markers of all pieces included, padding left out."""
        encoder = self.encoders[0]
        first, last = encoder.markers
        pieces = encoder.pieces(encoder.read(prompt, self.weighted)[0], self.pieces(prompt))
        return [one for piece in pieces if piece or piece is pieces[0] for one in (first, *piece, last)]

    def words_cut(self, prompt: str) -> str:
        """Return the end of a prompt that no encoder sees, or an empty string."""
        encoder = self.encoders[0]
        ids = encoder.read(prompt, self.weighted)[0]
        return str(encoder.tokenizer.decode(ids[self.most * encoder.room :])).strip()

    def word_tokens(self, prompt: str, word: str) -> list[int]:
        """Return the positions of every occurrence of a word or phrase in :meth:`tokens`.

        Raises:
            InputError: If there is none, or it was cut.
        """
        encoder = self.encoders[0]
        tokenizer, (first, last) = encoder.tokenizer, encoder.markers
        ids = [first, *encoder.read(prompt, self.weighted)[0][: self.most * encoder.room], last]
        variants = spellings(tokenizer, spelled_out(tokenizer, word.strip()))
        if not variants:
            raise InputError(f"a word to look for in a prompt must have at least one character, got {word!r}")
        positions = find_word(ids, tokenizer.convert_ids_to_tokens(ids), variants)
        if not positions:
            raise no_such_word(prompt, word, self.words_cut(prompt))
        return [k + 2 * ((k - 1) // encoder.room) for k in positions]  # the markers between pieces are columns, too
