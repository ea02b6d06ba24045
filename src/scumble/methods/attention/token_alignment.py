"""Map words to columns of cross-attention, and source columns to target columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from scumble.errors import InputError
from scumble.methods.attention.alignment import align
from scumble.methods.attention.prompt_tokens import PromptTokens

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Mode", "TokenMap", "refine_map", "replace_map", "replaces", "swapped_words"]

Mode = Literal["auto", "replace", "refine"]


@dataclass(frozen=True)
class TokenMap:
    """A map from source columns to target columns of attention: ``A_source @ matrix + own * A_target``.

    Attributes:
        matrix: (L, L), column n says of which source columns target column n is made.
        own: (L,), 1 where a target column keeps its own probability, else 0.
    """

    matrix: Tensor
    own: Tensor


def replaces(mode: Mode, source: PromptTokens, target: PromptTokens) -> bool:
    """Whether a mode replaces word by word: ``auto`` does where the prompts have equally many words."""
    return mode == "replace" or (mode == "auto" and len(source.words) == len(target.words))


def replace_map(source: PromptTokens, target: PromptTokens, length: int) -> TokenMap:
    """Word k of the target takes the attention of word k of the source (arXiv 2208.01626 section 3.2, word swap).

    A word of as many tokens takes them one by one; otherwise every token of the target's word takes an equal share
    of the whole source word. All else follows in order, and source padding beyond the last column joins that column:
    so every row of the map sums to 1 and attention stays a distribution.

    Args:
        source: The source prompt.
        target: The target prompt, with as many words.
        length: L, the number of columns.

    Raises:
        InputError: If the prompts have different numbers of words.
    """
    import torch

    matrix, i, j = swapped_words(source, target, length)
    while i < length and j < length:
        matrix[i, j] = 1
        i, j = i + 1, j + 1
    matrix[i:, -1] = 1
    return TokenMap(matrix, torch.zeros(length))


def swapped_words(source: PromptTokens, target: PromptTokens, length: int) -> tuple[Tensor, int, int]:
    """The map up to the last swapped word, and the source's and the target's first column behind it."""
    import torch

    if len(source.words) != len(target.words):
        raise InputError(
            f"mode replace needs prompts with equally many words, but {' '.join(source.words)!r} has"
            f" {len(source.words)} and {' '.join(target.words)!r} has {len(target.words)}; use mode refine or auto"
        )
    swaps = [k for k in range(len(source.words)) if source.ids_of(k) != target.ids_of(k)]
    swaps = [k for k in swaps if source.spans[k] and target.spans[k]]
    matrix = torch.zeros(length, length)
    i = j = 0
    for k in swaps:
        while i < source.spans[k][0]:
            matrix[i, j] = 1
            i, j = i + 1, j + 1
        matrix[i : source.spans[k][-1] + 1, j : target.spans[k][-1] + 1] = _block(source.spans[k], target.spans[k])
        i, j = source.spans[k][-1] + 1, target.spans[k][-1] + 1
    return matrix, i, j


def _block(source: Sequence[int], target: Sequence[int]) -> Tensor:
    import torch

    if len(source) == len(target):
        return torch.eye(len(source))
    return torch.full((len(source), len(target)), 1 / len(target))


def refine_map(source: PromptTokens, target: PromptTokens, length: int, tail: int | None = None) -> TokenMap:
    """Tokens found in both prompts take the source's attention, new ones keep theirs (arXiv 2208.01626 eq. 6).

    Args:
        source: The source prompt.
        target: The target prompt; any number of words.
        length: L, the number of columns.
        tail: Padding columns from here on take the same columns of the source; by default behind the longer of the
            two prompts, so that padding never takes the attention of words.
    """
    import torch

    matrix, unmapped = torch.zeros(length, length), torch.ones(length)
    aligned = align(source.ids, target.ids)
    tail = max(len(source.ids), len(target.ids)) if tail is None else tail
    pairs = ((n, m) for n, m in enumerate(aligned) if m is not None)
    for n, m in chain(pairs, zip(range(tail, length), range(tail, length), strict=True)):
        matrix[m, n], unmapped[n] = 1, 0
    return TokenMap(matrix, unmapped)
