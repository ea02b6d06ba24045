"""Weights inside a prompt, ``a (red:1.3) cube``: read only where a user asks for it. No torch here."""

from __future__ import annotations

import re

from scumble.errors import InputError

__all__ = ["MOST", "weighted_parts"]

MOST = 10.0
"""Largest weight."""
WEIGHTED = re.compile(r"(?<!\\)\((?P<text>(?:\\.|[^()\\])+?):\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)")


def weighted_parts(prompt: str) -> list[tuple[str, float]]:
    """Return the texts of a prompt and how strongly each counts: 1 outside of ``(text:weight)``.

    ``\\(``, ``\\)`` and ``\\:`` are letters, and so are parentheses without a weight.

    Raises:
        InputError: If a weight is not 0 to ``MOST``.
    """
    parts, end = [], 0
    for match in WEIGHTED.finditer(prompt):
        weight = float(match["weight"])
        if not 0 <= weight <= MOST:
            raise InputError(f"the weight in {match[0]!r} must be 0 to {MOST:g}; to remove something, name it there:"
                             " negative_prompt")  # fmt: skip
        parts += [(prompt[end : match.start()], 1.0), (match["text"], weight)]
        end = match.end()
    parts.append((prompt[end:], 1.0))
    return [(re.sub(r"\\([():\\])", r"\1", text), weight) for text, weight in parts if text.strip()]
