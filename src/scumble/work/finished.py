"""What a batch is asked to make of its list, and what it says of each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Finished", "Selection"]


@dataclass(frozen=True)
class Finished:
    """What became of one request.

    Attributes:
        id: The request's.
        state: done, failed or cancelled.
        files: The result's pictures: paths, or addresses.
        error: Why there is none, one line.
        hint: What to do about it.
        cost: seconds, forward and backward rows, peak bytes.
        attempts: How often it was tried.
        kept: It was there already.
    """

    id: str
    state: str
    files: tuple[Path | str, ...] = ()
    error: str | None = None
    hint: str | None = None
    cost: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    kept: bool = False


@dataclass(frozen=True)
class Selection:
    """Which requests of the list are to be made.

    Attributes:
        only: ``failed``, ``interrupted``, or an id; None: all that is not done.
        again: Make anew what is done.
        verify: Compare every file's content, not its size and time alone.
        add: Put the list into a folder that holds another list's results, beside them.
    """

    only: str | None = None
    again: bool = False
    verify: bool = False
    add: bool = False
