"""How an attempt at a request ended, and what that means for the request: the rule, without any storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Kind", "Next", "Outcome", "OutputFile", "Standing", "next_state"]

Kind = Literal[
    "done", "raised", "out-of-memory", "crashed", "timed-out", "interrupted", "lost", "cancelled", "no-space"
]
"""The request is to blame for ``raised``, ``out-of-memory``, ``crashed`` and ``timed-out`` alone."""

LOST_BEFORE_A_FAULT = 5
"""So many times a worker may be taken away from under a request before the request itself is suspected."""


@dataclass(frozen=True)
class OutputFile:
    """One file of a result.

    Attributes:
        path: Its final name, relative to the ledger's folder, with ``/``.
        file: SHA-256 of its bytes.
        size: Bytes.
        mtime_ns: When it was written.
        pixels: SHA-256 of the decoded picture.
    """

    path: str
    file: str
    size: int
    mtime_ns: int
    pixels: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended.

    Attributes:
        number: The request's number in the ledger.
        kind: In which way.
        error: One line, where there is no result.
        hint: What to do about it, one line.
        passing: Whether the same request may well succeed when it is tried again (a network that was away).
        remark: ``made`` or ``found`` (it was there already), where there is a result.
        files: The result's files.
        inputs: (path, size, mtime_ns, sha256) of every file that was read.
        key: The request's identity with all contents, hex.
        model: (name, SHA-256 of the weights).
        cost: seconds, forward, backward, peak.
        batch: How many candidates were computed at once, where memory forced fewer than asked.
    """

    number: int
    kind: Kind
    error: str | None = None
    hint: str | None = None
    passing: bool = False
    remark: str | None = None
    files: tuple[OutputFile, ...] = ()
    inputs: tuple[tuple[str, int, int, str], ...] = ()
    key: str | None = None
    model: tuple[str, str] | None = None
    cost: Mapping[str, Any] = field(default_factory=dict)
    batch: int | None = None


@dataclass(frozen=True)
class Standing:
    """What a request has behind it: its faults, and how often a worker was taken away from under it."""

    faults: int = 0
    losses: int = 0
    cancelling: bool = False


@dataclass(frozen=True)
class Next:
    """What becomes of a request: its state; whether it is a fault of its own; behind all others; with none beside."""

    state: Literal["done", "queued", "failed", "interrupted", "cancelled"]
    fault: bool = False
    behind: bool = False
    alone: bool = False
    batch: int | None = None


def next_state(outcome: Outcome, standing: Standing, retries: int = 1) -> Next:
    """Return what becomes of a request after an attempt that ended so; ``retries`` is how many faults are forgiven."""
    if outcome.kind == "done":
        return Next("done")
    if standing.cancelling or outcome.kind == "cancelled":
        return Next("cancelled")
    if outcome.kind == "interrupted":
        return Next("interrupted")
    if outcome.kind == "no-space" or (outcome.kind == "lost" and standing.losses < LOST_BEFORE_A_FAULT):
        return Next("queued")
    if outcome.kind == "raised" and not outcome.passing:
        return Next("failed", fault=True)
    if standing.faults + 1 > retries:
        return Next("failed", fault=True)
    crashed = outcome.kind == "crashed"
    small = crashed or outcome.kind == "out-of-memory"
    return Next("queued", fault=True, behind=True, alone=crashed, batch=1 if small else None)
