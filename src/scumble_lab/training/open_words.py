"""Words of instructions that no caption holds: their embeddings are learned with the instruction model.

The text encoder knows the words of captions; `remove` and `make` lie beside each other in it, since nothing ever told
them apart. Only the rows of such words are learned, so that every caption reads bit for bit as before and the encoder
can stay that of the latent model.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble_lab.training.texts import OPENINGS, SYNONYMS
from scumble_lab.training.tokenizer import EDIT_WORDS, build_tokenizer
from scumble_lab.world import vocabulary

__all__ = ["EMBEDDING", "OpenWords", "open_tokens"]

EMBEDDING = "text_model.embeddings.token_embedding.weight"
"""The table's key in the encoder's file, with or without its first part."""

LENGTH = 0.65
"""Norm at which a row begins, at least: rows that were never trained are half as long as others, and hardly heard."""


def open_tokens() -> Tensor:
    """Token ids (R,) of the words that people ask with and that no caption holds, and of the comma."""
    known = {*vocabulary(), *(word for words in SYNONYMS.values() for word in words)}
    known |= {word for opening in OPENINGS for word in opening.split()}
    table = build_tokenizer().get_vocab()
    words = [word for word in EDIT_WORDS.split() if word not in known]
    return torch.tensor(sorted({table[f"{word}</w>"] for word in (*words, ",")}))


class OpenWords(nn.Module):
    """An embedding table in which only the rows of ``open_tokens`` are learned; put into the encoder by ``into``."""

    table: Tensor
    index: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table.detach().clone(), persistent=False)
        self.register_buffer("index", open_tokens().to(table.device), persistent=False)
        rows = self.table[self.index]
        self.rows = nn.Parameter(rows * (LENGTH / rows.norm(dim=1, keepdim=True)).clamp(min=1.0))

    @classmethod
    def into(cls, encoder: Any) -> OpenWords:
        """Replace the token embedding of a CLIP text encoder."""
        embeddings = getattr(encoder, "text_model", encoder).embeddings
        embeddings.token_embedding = words = cls(embeddings.token_embedding.weight)
        return words

    def full(self) -> Tensor:
        """The whole table (V, D)."""
        return self.table.index_copy(0, self.index, self.rows)

    def forward(self, ids: Tensor) -> Tensor:
        """Embeddings (…, D) of token ids."""
        return F.embedding(ids, self.full())
