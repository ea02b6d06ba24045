"""The base of everything that a user states in fields: what does not fit is one line, as all errors of Scumble are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError, model_validator

from scumble.errors import InputError, first_problem, nearest
from scumble.untrusted import printable

if TYPE_CHECKING:
    from typing import Self

    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

__all__ = ["Settings", "explained"]

SHOWN = 80
"""Characters of a value that does not fit."""


class _Stated(ModelMetaclass):
    """Makes objects whose wrong fields are an :class:`InputError`.

    Only calls of the class go through it: ``model_validate`` stays pydantic's, for whoever wants its list of problems.
    """

    if not TYPE_CHECKING:  # checkers read the signature that pydantic makes of the fields

        def __call__(cls, *args: Any, **fields: Any) -> Any:
            try:
                return super().__call__(*args, **fields)
            except ValidationError as error:
                raise InputError(f"{cls.__name__}: {explained(error, cls.model_fields)}") from error


class Settings(BaseModel, metaclass=_Stated):
    """Fields with their ranges and texts.

    Making one raises InputError for the first field that does not fit, with pydantic's error as its cause, and so does
    setting a field: they are frozen.
    """

    @model_validator(mode="after")
    def _proper_text(self) -> Self:
        """Refuse bytes that are no UTF-8 in any text: neither a tokenizer nor a recipe can take them."""
        for name in type(self).model_fields:
            if not all(_is_proper(text) for text in _texts(getattr(self, name))):
                raise ValueError(f"{name} holds bytes that are no UTF-8 text; is the terminal set to another encoding?")
        return self

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                kind = type(self).__name__
                raise InputError(
                    f"{kind} does not change once it is made: make another one, or"
                    f" .model_copy(update={{{name!r}: …}}) without checks"
                ) from error


def explained(error: ValidationError, known: Iterable[str]) -> str:
    """The first problem of a validation as one line: ``strength must be at most 1, got 1.4``.

    Args:
        error: What pydantic says.
        known: The fields that there are.
    """
    first = error.errors()[0]
    place, reason = first_problem(error)
    if first["type"] == "extra_forbidden":
        return f"unknown field {place!r}{nearest(place, known)}"
    if first["type"] == "missing":
        return f"{place} is missing"
    if reason.startswith("input should be "):
        reason = reason.removeprefix("input should be ")
        reason = reason.replace("less than or equal to", "at most").replace("greater than or equal to", "at least")
        return f"{place} must be {reason}, got {_shown(first.get('input'))}"
    return f"{place}: {reason}" if place else reason


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(key)
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _is_proper(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: Any) -> str:
    """A value on one line, however long it is."""
    text = printable(" ".join(repr(value).split()))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
