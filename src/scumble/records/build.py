"""A method from its written parameters, with errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from scumble.errors import InputError, first_problem, nearest
from scumble.methods.registry import method_class

if TYPE_CHECKING:
    from scumble.methods.base import Method

__all__ = ["build_method", "explained"]


def build_method(name: str, parameters: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Method:
    """Return the method ``name`` with these parameters and ``more``.

    Raises:
        InputError: One line that names the first field that does not fit, what was given and what is expected.
    """
    kind: Any = method_class(name)
    try:
        built: Method = kind(**{**parameters, **(more or {})})
    except ValidationError as error:
        raise InputError(explained(error, list(kind.model_fields))) from error
    return built


def explained(error: ValidationError, known: Sequence[str]) -> str:
    """The first problem of a validation as one line: ``strength must be at most 1, got 1.4``."""
    first = error.errors()[0]
    place, reason = first_problem(error)
    if first["type"] == "extra_forbidden":
        return f"unknown field {place!r}{nearest(place, known)}"
    if reason.startswith("input should be "):
        reason = reason.removeprefix("input should be ")
        reason = reason.replace("less than or equal to", "at most").replace("greater than or equal to", "at least")
        return f"{place} must be {reason}, got {first.get('input')!r}"
    return f"{place}: {reason}" if place else reason
