"""Sentences about a word, built in or read from a file."""

from __future__ import annotations

import re
from pathlib import Path

from scumble.errors import InputError

__all__ = ["has_word", "read_sentences", "sentences_about"]

TEMPLATES = (
    "{}",
    "a {}",
    "a photo of a {}",
    "a picture of a {}",
    "a painting of a {}",
    "a small {}",
    "a large {}",
    "a close-up of a {}",
    "one {} in the middle",
    "a {} in the background",
    "a {} on grass",
    "a {} on sand",
    "a {} at night",
    "a {} in the sun",
)
"""What the built-in sentence maker knows; the words around cancel in the difference."""


def sentences_about(word: str, scene: str = "", instead_of: str = "") -> list[str]:
    """Return sentences about a word; with a scene, that scene with the word in place of another, and nothing else.

    Args:
        word: What they are about.
        scene: A caption that has ``instead_of``; the surest context, since the embedding moves in its own place.
        instead_of: The word of the caption that is replaced.
    """
    if has_word(scene, instead_of):
        return [_whole_word(instead_of).sub(lambda _: word, scene)]
    return [template.format(word) for template in TEMPLATES]


def has_word(scene: str, word: str) -> bool:
    """Whether a caption has a word or phrase, and not only as a part of another word."""
    return bool(word) and _whole_word(word).search(scene) is not None


def _whole_word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def read_sentences(path: str | Path) -> list[str]:
    """Read a text file, one sentence a line.

    Raises:
        InputError: If there is no such file, or it has no sentence.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the sentences {Path(path).name!r} cannot be read: give a text file, a sentence a line"
        ) from error
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise InputError(f"the sentences {Path(path).name!r} are empty: give a text file, a sentence a line")
    return sentences
