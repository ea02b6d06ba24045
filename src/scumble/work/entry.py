"""What goes into a ledger and what comes out of it: requests as they are filed, handed out and known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scumble.work.outcome import OutputFile

__all__ = ["Added", "Claim", "Entry", "Row"]


@dataclass(frozen=True)
class Entry:
    """A request as it is filed.

    Attributes:
        id: Unique in the ledger.
        line: SHA-256 (hex) of the request as written.
        body: The settled request as JSON.
        output: Where the result goes, relative to the ledger's folder.
        count: Candidates.
        model: The model's name.
        affinity: Hash (hex) of what is worth keeping in a worker: model, picture, inversion.
        source: Line in the list.
        rows: Network evaluations planned, where known.
    """

    id: str
    line: str
    body: Mapping[str, Any]
    output: str
    count: int = 1
    model: str = ""
    affinity: str | None = None
    source: int | None = None
    priority: int = 0
    rows: int | None = None


@dataclass(frozen=True)
class Added:
    """What filing a list came to: how many requests are new, as before, changed, and gone from the list."""

    new: int = 0
    same: int = 0
    changed: int = 0
    withdrawn: int = 0


@dataclass(frozen=True)
class Claim:
    """A request that is handed to a worker now.

    Attributes:
        number: In the ledger.
        body: The settled request.
        attempt: Which attempt this is, from 1.
        batch: Largest number of candidates computed at once (lowered after a crash or exhausted memory).
        alone: Nothing else may run beside it.
        older: Key of an earlier result of the same request, which may be replaced.
        reason: Why it was queued again, or None.
    """

    number: int
    id: str
    body: dict[str, Any]
    output: str
    attempt: int
    batch: int | None = None
    alone: bool = False
    affinity: str | None = None
    older: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Row:
    """A request as the ledger knows it."""

    number: int
    id: str
    state: str
    reason: str | None
    error: str | None
    hint: str | None
    output: str
    count: int
    attempts: int
    faults: int
    interruptions: int
    priority: int
    place: float
    batch: int | None
    seconds: float | None
    forward: int | None
    backward: int | None
    peak: int | None
    source: int | None
    key: str | None
    model: str | None
    worker: str | None
    changed: float
    body: dict[str, Any] = field(repr=False)
    files: tuple[OutputFile, ...] = ()
