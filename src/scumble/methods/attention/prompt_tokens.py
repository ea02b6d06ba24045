"""A prompt as words and as columns of cross-attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["PromptTokens", "prompt_tokens"]


@dataclass(frozen=True)
class PromptTokens:
    """A prompt as words and as columns of cross-attention.

    Attributes:
        words: The words, split at spaces.
        ids: Token ids that the network sees, first and last markers included, padding left out.
        spans: For each word its columns; empty for a word that was cut.
    """

    words: tuple[str, ...]
    ids: tuple[int, ...]
    spans: tuple[tuple[int, ...], ...]

    def ids_of(self, word: int) -> tuple[int, ...]:
        """Token ids of a word."""
        return tuple(self.ids[column] for column in self.spans[word])


def prompt_tokens(tokens: Callable[[str], Sequence[int]], prompt: str) -> PromptTokens:
    """Split a prompt at spaces and find each word's columns.

    Args:
        tokens: ``Model.tokens``: ids of a prompt with both markers, cut to what the text encoder takes.
        prompt: The prompt; several spaces count as one.
    """
    words = prompt.split()
    # Text tokenizers of diffusion models never merge across a space: growing the prompt word by word shows where
    # each one ends, also behind punctuation, and a word behind the cut adds nothing.
    ends = [1, *(len(tokens(" ".join(words[: k + 1]))) - 1 for k in range(len(words)))]
    spans = tuple(tuple(range(ends[k], ends[k + 1])) for k in range(len(words)))
    return PromptTokens(tuple(words), tuple(tokens(" ".join(words))), spans)
