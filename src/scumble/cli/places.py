"""``--at MAP TEXT`` and ``--also-words TEXT:SCALE``: words with a place or a sign on the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from scumble.errors import InputError
from scumble.methods.method import Method

__all__ = ["with_places"]


def with_places(
    method: type[Method], given: Mapping[str, Any], at: Sequence[tuple[str, str]], also_words: Sequence[str]
) -> dict[str, Any]:
    """Return the flags of a method with its placed words.

    Args:
        method: The method.
        given: The flags that were given for its fields.
        at: Map (file, number, ``words:NAME`` or ``not:NAME``) and text of each prompt that has a place.
        also_words: Text and signed scale of each prompt that is added: ``sunset:+6``, ``clouds:-4``.

    Raises:
        InputError: If the method takes no places, a text is empty or a scale is no number.
    """
    if not at and not also_words:
        return dict(given)
    if not method.takes_places:
        flag = "--at" if at else "--also-words"
        raise InputError(
            f"{flag} cannot be used with {method.method_name()}, which takes one prompt for the whole image; use"
            " differential-diffusion, sdedit or ddpm-inversion"
        )
    placed = [{"text": text, "map": _number(place)} for place, text in at]
    placed += [_added(written) for written in also_words]
    return {**given, "placed_words": [*given.get("placed_words", ()), *(json.dumps(one) for one in placed)]}


def _number(place: str) -> str | float:
    try:
        return float(place)
    except ValueError:
        return place


def _added(written: str) -> dict[str, Any]:
    text, _, scale = written.rpartition(":")
    try:
        weight = float(scale)
    except ValueError:
        weight = math.nan
    if not text.strip() or not math.isfinite(weight):
        raise InputError(f"--also-words {written!r}: expected words and a scale, such as sunset:+6 or clouds:-4")
    return {"text": text.strip(), "weight": weight, "mode": "add"}
