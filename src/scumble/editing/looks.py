"""The record of how the model looked at the image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scumble.editing.asked import Edit
from scumble.editing.windows import PHOTOGRAPHS, Part
from scumble.images import Window
from scumble.images.profile import Profile
from scumble.models.tiled import TiledModel

if TYPE_CHECKING:
    pass

__all__ = ["looks"]

REPEATS = 0.5
"""Redrawn share from which tiles tend to repeat things."""
WHOLE_WORD = 3
"""Tokens of a word that a tokenizer knows as a whole: the word between two markers."""


def looks(asked: Edit, parts: Sequence[Part], profile: Profile | None) -> list[str]:
    """Say how the model looks at the picture, and what it cannot read or keep together, a line each.

    Args:
        asked: The edit.
        parts: The windows.
        profile: The picture's profile, where it differs from sRGB.
    """
    method, notices = asked.method, [_looked_at(part.window, asked) for part in parts]
    if asked.view.tiles:
        notices += [TiledModel(asked.model).describe(part.window.size) for part in parts]
    elif asked.view.detail == "keep" and not method.needs_no_network and any(part.window.scale > 1 for part in parts):
        notices.append("fine detail was kept where the edit follows the picture; --detail model shows the model's own")
    if profile is not None:
        notices.append(f'colors were worked on in sRGB and returned to "{profile.name}"')
    notices += _unknown_words(asked)
    strength = getattr(method, "strength", 0)
    if asked.view.tiles and method.strength_is_global and strength > REPEATS:
        notices.append(f"tiles at strength {strength:g} may repeat objects; {REPEATS:g} or less keeps the composition")
    return notices


def _unknown_words(asked: Edit) -> list[str]:
    """Name the words of the prompt that a small model has never read: it knows every word it read as a whole."""
    model, method = asked.model, asked.method
    if not model.takes_text or model.native_size >= PHOTOGRAPHS:
        return []
    texts = [method.first_prompt, *(words.text for words in getattr(method, "placed_words", ()))]
    words = dict.fromkeys(re.findall(r"[a-z]+", " ".join(texts).lower()))
    return [f'"{word}" is not a word this model knows' for word in words if len(model.tokens(word)) > WHOLE_WORD]


def _looked_at(window: Window, asked: Edit) -> str:
    """Say at what size the model works, and on what."""
    size = "x".join(map(str, window.scaled))
    whole = "x".join(map(str, window.original))
    left, top, right, bottom = window.box
    scale = window.scale
    how = "not scaled" if scale == 1.0 else f"scaled {'down' if scale > 1 else 'up'} {max(scale, 1 / scale):.1f} times"
    if not window.is_whole:
        more = "; --tiles works at full size" if scale > 1.5 and asked.method.tileable else ""
        return f"worked at {size} in the region {left},{top}-{right},{bottom} of {whole}, {how}{more}"
    if scale <= 1.0:
        return f"worked at {size} on the whole picture, {how}"
    more = "; give a map or --window region for full sharpness" if scale > 1.5 else ""
    return f"worked on the whole picture at {size}, {how}{more}"
