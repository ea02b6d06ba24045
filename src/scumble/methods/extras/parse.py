"""Reads what acted besides a method from a recipe, and what is to act from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from scumble.errors import InputError, first_problem, nearest
from scumble.methods.extras.extra import Extra
from scumble.methods.extras.extras import ALSO
from scumble.untrusted import parse_json

__all__ = ["parse_also", "from_recipe"]


def from_recipe(record: Mapping[str, Any]) -> Extra:
    """Build what a recipe says acted.

    Raises:
        InputError: If it was a user's own energy, or does not fit this version.
    """
    name, fields = record.get("kind", ""), {k: v for k, v in record.items() if k != "kind"}
    if name not in ALSO:
        raise InputError(f"the recipe says that {name or 'something unknown'!r} acted too, which no file can hold")
    try:
        return ALSO[name].model_validate(fields)
    except ValidationError as error:
        where, reason = first_problem(error)
        raise InputError(f"the recipe's {name} does not fit this version: {where} {reason}") from error


def parse_also(text: str) -> Extra:
    """Read ``NAME {json}`` of the command line, for example ``paint {"color": "red", "weight": 2}``.

    Raises:
        InputError: Naming what is wrong.
    """
    name, _, rest = text.strip().partition(" ")
    if name not in ALSO:
        raise InputError(f"--also knows no {name!r}{nearest(name, ALSO)}; known: {', '.join(ALSO)}")
    try:
        fields = parse_json(rest or "{}", "it")
    except InputError:
        fields = None
    if not isinstance(fields, dict):
        raise InputError(f'--also {name}: expected fields as JSON, such as {{"weight": 2}}, got {rest[:200]!r}')
    try:
        return ALSO[name].model_validate(fields)
    except ValidationError as error:
        where, reason = first_problem(error)
        if error.errors()[0]["type"] == "extra_forbidden":
            known = list(ALSO[name].model_fields)
            raise InputError(
                f"--also {name} has no field {where!r}{nearest(where, known)}; it has: {', '.join(known)}"
            ) from error
        raise InputError(f"--also {name}: {where} {reason}") from error
