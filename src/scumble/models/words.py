"""Words of a prompt found again among its tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from scumble.errors import InputError, nearest

__all__ = ["find_word", "no_such_word", "spelled_out", "spellings", "words_of"]

WORD_END = "</w>"
"""How CLIP's byte-pair encoding marks the last piece of a word."""


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation."""
    return re.findall(r"\w[\w'’-]*", text.lower())


def spellings(tokenizer: Any, word: str) -> list[list[int]]:
    """Return the ids that a word can have inside a prompt: alone, after a blank, after another word."""
    alone = _ids(tokenizer, word)
    lead = _ids(tokenizer, "a")
    after = _ids(tokenizer, f"a {word}")
    variants = [alone, _ids(tokenizer, f" {word}")]
    if after[: len(lead)] == lead:
        variants.append(after[len(lead) :])
    return [ids for i, ids in enumerate(variants) if ids and ids not in variants[:i]]


def spelled_out(tokenizer: Any, prompt: str) -> str:
    """Return a prompt in which every learned word of several vectors stands as all of them: ``<cat> <cat>_1 …``.

    As diffusers' pipelines do before they read a prompt.
    """
    added = set(getattr(tokenizer, "added_tokens_encoder", ()))
    for word in sorted((one for one in added if f"{one}_1" in added and one in prompt), key=len, reverse=True):
        names, k = [word], 1
        while f"{word}_{k}" in added:
            names.append(f"{word}_{k}")
            k += 1
        if names[1] not in prompt:
            prompt = prompt.replace(word, " ".join(names))
    return prompt


def find_word(ids: Sequence[int], pieces: Sequence[str], variants: Sequence[Sequence[int]]) -> list[int]:
    """Return the positions of all occurrences of a word, ascending; empty when there is none.

    Args:
        ids: Tokens of the prompt.
        pieces: The same tokens as text, to tell a word from the end of a longer one.
        variants: Token ids that the word can have.
    """
    marked = any(piece.endswith(WORD_END) for piece in pieces)
    positions: set[int] = set()
    for word in variants:
        for start in range(1, len(ids) - len(word) + 1):
            inside = marked and start > 1 and not pieces[start - 1].endswith(WORD_END)
            if not inside and list(ids[start : start + len(word)]) == list(word):
                positions.update(range(start, start + len(word)))
    return sorted(positions)


def no_such_word(prompt: str, word: str, cut: str) -> InputError:
    """Return the error for a word that has no token among those the network sees."""
    if word.lower().strip() in cut.lower():
        return InputError(f"the word {word!r} lies beyond the end of what the text encoder sees; shorten {prompt!r}")
    words = words_of(prompt)
    return InputError(f"the prompt {prompt!r} has no word {word!r}{nearest(word.lower(), words)}")


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)
