"""How long a benchmark took: every run keeps a note of its time beside the results, so that resumed ones add up.

runs/<start>.json          when it began, how long it ran so far, with how many jobs, what it made
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scumble.evaluation.folder import Benchmark, write_json

__all__ = ["RunNote", "Spent", "duration", "spent"]

EVERY = 1.0
"""Seconds between two notes: what a killed run loses of its time."""


class RunNote:
    """The note of a run that is going on; whoever kills it loses at most a second of it."""

    def __init__(self, benchmark: Benchmark, jobs: int) -> None:
        self.began, self._clock, self._noted = time.time(), time.monotonic(), 0.0
        self.jobs, self.made, self.failed = jobs, 0, 0
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.began))
        self.path = benchmark.folder / "runs" / f"{stamp}-{secrets.token_hex(2)}.json"

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._clock

    def count(self, failed: bool) -> None:
        """Note that another result is there."""
        self.made += not failed
        self.failed += failed
        if self.seconds - self._noted >= EVERY:
            self.write()

    def write(self) -> None:
        """Write what is known so far."""
        self._noted = self.seconds
        about = {"jobs": self.jobs, "made": self.made, "failed": self.failed}
        write_json(self.path, {"began": round(self.began, 1), "seconds": round(self._noted, 1), **about})


@dataclass(frozen=True)
class Spent:
    """What all runs together took.

    Attributes:
        results: Results of ours that are there.
        working: Seconds that making these took, each by itself, added up; those that stand beside each other too.
        runs: How many runs noted their time.
        jobs: With how many processes they went.
        wall: Seconds by the clock; where two overlapped, once.
        made: Results that these runs made, also those that others have replaced since.
    """

    results: int
    working: float
    runs: int
    jobs: tuple[int, ...]
    wall: float
    made: int

    def text(self) -> str:
        """It all in a sentence or two; nothing where nothing was made."""
        if not self.results and not self.runs:
            return ""
        said = f"Its {self.results} results took {duration(self.working)}, added up one by one"
        if not self.runs:
            return f"{said}; what that was by the clock is not recorded."
        jobs = " and ".join(map(str, self.jobs)) + (" job" if self.jobs == (1,) else " jobs")
        runs = "the run" if self.runs == 1 else f"the {self.runs} runs together"
        said += f"; {runs}, with {jobs}, took {duration(self.wall)} by the clock."
        if self.made > self.results:
            said += (
                f" {self.made - self.results} of the {self.made} results made in that time have been replaced since."
            )
        elif self.made < self.results:
            said += f" {self.results - self.made} results are of runs whose time was not recorded."
        return said


def spent(benchmark: Benchmark) -> Spent:
    """Add up the notes of all runs, and the seconds that are filed with the results."""
    notes = [note for path in sorted((benchmark.folder / "runs").glob("*.json")) if (note := _read(path)).get("began")]
    working = list(_working(benchmark))
    return Spent(
        len(working),
        sum(working),
        len(notes),
        tuple(sorted({int(note.get("jobs", 1)) for note in notes})),
        _covered([(float(note["began"]), float(note.get("seconds", 0))) for note in notes]),
        sum(int(note.get("made", 0)) for note in notes),
    )


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 1 h 41 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _covered(spans: list[tuple[float, float]]) -> float:
    """The length of time that spans (beginning, length) cover."""
    total, until = 0.0, float("-inf")
    for began, length in sorted(spans):
        total += max(0.0, began + length - max(began, until))
        until = max(until, began + length)
    return total


def _working(benchmark: Benchmark) -> Iterator[float]:
    """The seconds of each result that a run has made."""
    for path in benchmark.results.glob("*/*.json"):
        record = _read(path)
        if "mark" in record and record.get("error") is None and path.with_suffix(".png").is_file():
            cost = record.get("cost")
            own: Any = record.get("seconds", cost.get("seconds", 0) if isinstance(cost, dict) else 0)
            yield float(own)


def _read(path: Path) -> dict[str, Any]:
    """A JSON file's mapping; empty where it is none."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
