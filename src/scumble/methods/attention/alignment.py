"""Global alignment of two sequences of tokens."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["align"]


def align(source: Sequence[int], target: Sequence[int]) -> list[int | None]:
    """For each target token the source token it is, or None where it is new.

    Global alignment (Needleman and Wunsch): match 1, mismatch -1, gap 0; of equally good ones, new target tokens come
    last, then dropped source tokens.
    """
    rows, columns = len(source) + 1, len(target) + 1
    score = [[0] * columns for _ in range(rows)]
    for i in range(1, rows):
        for j in range(1, columns):
            same = 1 if source[i - 1] == target[j - 1] else -1
            score[i][j] = max(score[i][j - 1], score[i - 1][j], score[i - 1][j - 1] + same)
    alignment: list[int | None] = [None] * len(target)
    i, j = rows - 1, columns - 1
    while i > 0 and j > 0:
        if score[i][j] == score[i][j - 1]:
            j -= 1
        elif score[i][j] == score[i - 1][j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            alignment[j] = i
    return alignment
