"""What a field that an older recipe lacks means: what that version did, never today's default.

Whoever adds a field whose default changes pictures says here what recipes of the formats before it mean.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["with_absent"]

ABSENT: dict[int, dict[str, Any]] = {
    1: {"edge": "cut", "guidance_map": "constant", "inversion_start": "same", "near_zero": "sharp", "substeps": False},
}
"""Format -> field of any method or of what acts besides -> value where a recipe of that format or an older lacks it."""


def with_absent(parameters: Mapping[str, Any], format_: int, known: Collection[str]) -> dict[str, Any]:
    """Return a recipe's parameters with what its format left unsaid.

    Args:
        parameters: As they are in the recipe.
        format_: The recipe's format.
        known: The fields that there are today.
    """
    unsaid = {
        name: value
        for later in sorted(ABSENT, reverse=True)
        if later >= format_
        for name, value in ABSENT[later].items()
        if name in known
    }
    return {**unsaid, **parameters}
