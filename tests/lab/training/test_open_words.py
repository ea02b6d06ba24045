"""Learned words change no caption."""

from __future__ import annotations

import torch
from torch import nn

from scumble_lab.training.open_words import OpenWords, open_tokens
from scumble_lab.training.texts import wordings
from scumble_lab.training.tokenizer import EDIT_WORDS, build_tokenizer
from tests.lab.world.test_instructions import drawn


def test_no_caption_holds_an_open_word_and_instructions_do() -> None:
    tokenizer, scenes = build_tokenizer(), drawn(60)
    captions = wordings([scene for scene, *_ in scenes], tokenizer, seed=1)
    assert not torch.isin(captions, open_tokens()).any()
    ids = torch.tensor([number for *_, texts, _ in scenes for text in texts for number in tokenizer(text).input_ids])
    assert torch.isin(ids, open_tokens()).any()
    assert len(open_tokens()) < len(EDIT_WORDS.split())


def test_only_rows_of_open_words_are_learned() -> None:
    table = nn.Embedding(len(build_tokenizer()), 8)
    words = OpenWords(table.weight)
    (name,) = dict(words.named_parameters())
    assert name == "rows"
    with torch.no_grad():
        words.rows.add_(1.0)
    changed = (words.full() != table.weight).any(dim=1)
    assert torch.equal(changed.nonzero().flatten(), open_tokens())
