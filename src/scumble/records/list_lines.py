"""Lines of a list of requests: what they are, where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DEEPEST", "Found", "LONGEST_LINE", "Line", "MOST_LINES", "PROMPT_LENGTH", "Patterns", "VERSION"]

LONGEST_LINE = 1 << 20
MOST_LINES = 5_000_000
DEEPEST = 32
PROMPT_LENGTH = 4_000
VERSION = 1


@dataclass(frozen=True)
class Line:
    """One request as it was written.

    Attributes:
        source: The list, for messages.
        number: Line in it, from 1.
        fields: What was written.
        base: Folder that its paths are relative to.
        name: Its id, where the list's form gives one.
        cells: The values are a table's cells: text that is still to be read by the field's type.
        recipe: A picture whose recipe is the request.
    """

    source: str
    number: int | None
    fields: Mapping[str, Any]
    base: str
    name: str | None = None
    cells: bool = False
    recipe: str | None = None


@dataclass
class Found:
    """What a list holds: its requests, the defaults in its header, and remarks for the user."""

    lines: list[Line] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Patterns:
    """How the files that belong to a picture are called, relative to its folder.

    ``{stem}``, ``{name}``, ``{ext}`` and ``{parent}`` stand for parts of the picture's name; ``*`` for anything.
    """

    maps: str | None = None
    prompts: str | None = None
    inversions: str | None = None
    maps_optional: bool = False
