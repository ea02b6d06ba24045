"""Numbers as text: rounded, with their intervals."""

from __future__ import annotations

__all__ = ["counted", "duration"]


def counted(number: int, word: str) -> str:
    """The number with the word, in the plural where it is not one."""
    if number == 1:
        return f"1 {word}"
    return f"{number} {word[:-1]}ies" if word.endswith("ry") else f"{number} {word}s"


def duration(seconds: float) -> str:
    """3.2 s, 12 s, 3 min 20 s, 1 h 41 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
