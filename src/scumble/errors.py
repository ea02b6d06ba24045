"""All errors that users meet: one line that says what was given, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = [
    "CancelledError",
    "CheckpointError",
    "InputError",
    "MemoryLimitError",
    "MethodError",
    "ScumbleError",
    "nearest",
    "first_problem",
]


class ScumbleError(Exception):
    """Base of all errors that Scumble raises on purpose; its text is meant for users, not for a log."""


class InputError(ScumbleError):
    """A picture, map, number or name that was given cannot be used."""


class CheckpointError(ScumbleError):
    """A model, inversion or other weight file is missing, of the wrong kind, or unsafe to load."""


class MethodError(ScumbleError):
    """A method, or a combination of methods, is not defined for this model or these settings."""


class MemoryLimitError(ScumbleError):
    """The device ran out of memory; the text says what to lower."""


class CancelledError(ScumbleError):
    """The user stopped the run.

    Attributes:
        partial: The :class:`~scumble.Result` of the candidates that were finished before, or None.
    """

    partial: Any = None


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Return `` (did you mean …?)`` with the nearest known words, or an empty string when none is near."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=count, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Return the first value that does not fit (its dotted place, "" for a rule about several) and why."""
    first = error.errors()[0]
    reason = str(first["msg"]).removeprefix("Value error, ")
    return ".".join(str(part) for part in first["loc"]), f"{reason[:1].lower()}{reason[1:]}"
