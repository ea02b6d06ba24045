"""Columns of cross-attention that words have in each of several prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from scumble.errors import InputError, nearest
from scumble.methods.attention.edit_rules import PromptPair
from scumble.methods.attention.local_blend import BlendWords
from scumble.models.base import Model
from scumble.models.words import no_such_word

__all__ = ["columns_of", "marks"]


def marks(prompts: PromptPair, words: Sequence[str]) -> BlendWords:
    """Where words are, in the source's prompt and in each edited one; a word need not be in both.

    Raises:
        InputError: If a word is in neither, or an edited prompt and the source's have none of them: then nothing would
            be left of the edit.
    """
    where = "source prompt nor in the new prompt"
    marks = torch.zeros(1 + len(prompts.targets), prompts.length)
    for word in words:
        for row, columns in enumerate(columns_of(prompts.model, word, [prompts.source, *prompts.targets], where)):
            marks[row, columns] = 1
    for row, target in enumerate(prompts.targets, start=1):
        if not marks[0].any() and not marks[row].any():
            raise InputError(f"none of the words {', '.join(map(repr, words))} is in {prompts.source!r} or {target!r}")
    return BlendWords(marks[:1], marks[1:])


def columns_of(model: Model, word: str, prompts: Sequence[str], where: str) -> list[list[int]]:
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
