"""Settings of a whole list, and what its lines came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scumble.records.list_lines import Line
from scumble.records.problems import Problem
from scumble.records.request import Request

__all__ = ["Settled", "Wishes"]


@dataclass(frozen=True)
class Wishes:
    """What was asked for all lines at once.

    Attributes:
        defaults: From the list's header: fields, and blocks of fields under a method's name.
        flags: From the command line; they stand above the defaults and below the line.
        sets: Above the line.
        within: Folder that no file may lie outside of; None: anywhere.
        inputs: Where files of recipes are looked for by their content, besides beside the picture.
        describe: Says what the picture at a path shows, in words for a model (None: the bundled one): what
            ``source_prompt: auto`` stands for. None: it has to be said.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, Any] = field(default_factory=dict)
    sets: Mapping[str, Any] = field(default_factory=dict)
    within: str | None = None
    inputs: str | None = None
    describe: Callable[[str, str | None], str] | None = None


@dataclass(frozen=True)
class Settled:
    """A request without its id, or what is wrong with its line.

    Attributes:
        line: Where it came from.
        request: As written, with all fields of its method.
        at: Absolute path of every file, by its place.
        problems: What is wrong.
        overridden: It had said something else than ``Wishes.sets``.
    """

    line: Line
    request: Request | None
    at: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    overridden: bool = False
