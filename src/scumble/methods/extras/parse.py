"""Reads what acted besides a method from a recipe, and what is to act from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from scumble.errors import InputError, first_problem, nearest
from scumble.methods.extras.extra import Extra
from scumble.methods.extras.extras import ALSO
from scumble.untrusted import parse_json

__all__ = ["extra_class", "from_recipe", "parse_also"]


def extra_class(about: Mapping[str, Any]) -> type[Extra]:
    """The class of what a recipe says acted.

    Raises:
        InputError: If it was a user's own energy, or nothing that this version knows.
    """
    if not isinstance(about, Mapping):
        raise InputError(f"what acts besides (also) must be NAME with its fields, or an object, got {about!r:.60}")
    kind = about.get("kind", "")
    if not isinstance(kind, str) or kind not in ALSO:
        raise InputError(f"the recipe says that {kind or 'something unknown'!r} acted too, which no file can hold")
    return ALSO[kind]


def from_recipe(about: Mapping[str, Any]) -> Extra:
    """Build what a recipe says acted.

    Raises:
        InputError: If it was a user's own energy, or does not fit this version.
    """
    kind, fields = extra_class(about), {name: value for name, value in about.items() if name != "kind"}
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        where, reason = first_problem(error)
        raise InputError(f"the recipe's {kind.kind} does not fit this version: {where} {reason}") from error


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
