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

from scumble_lab.bench.folder import Benchmark, write_json
from scumble_lab.bench.formatting import counted, duration

__all__ = ["RunNote", "Spent", "spent"]


class RunNote:
    """The note of a run that is going on, written anew with each result: who kills it loses the time since."""

    def __init__(self, benchmark: Benchmark, jobs: int) -> None:
        self.began, self._clock = time.time(), time.monotonic()
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
        self.write()

    def write(self) -> None:
        """Write what is known so far."""
        about = {"jobs": self.jobs, "made": self.made, "failed": self.failed}
        write_json(self.path, {"began": round(self.began, 1), "seconds": round(self.seconds, 1), **about})


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
        sentence = f"Its {counted(self.results, 'result')} took {duration(self.working)}, added up one by one"
        if not self.runs:
            return f"{sentence}; what that was by the clock is not recorded."
        jobs = " and ".join(map(str, self.jobs)) + (" job" if self.jobs == (1,) else " jobs")
        runs = "the run" if self.runs == 1 else f"the {self.runs} runs together"
        sentence += f"; {runs}, with {jobs}, took {duration(self.wall)} by the clock."
        if self.made > self.results:
            sentence += (
                f" {self.made - self.results} of the {self.made} results made in that time were replaced or removed."
            )
        elif self.made < self.results:
            sentence += f" Of {self.results - self.made} of the results the clock's time was not recorded."
        return sentence


def spent(benchmark: Benchmark) -> Spent:
    """Add up the notes of all runs, and the seconds that are filed with the results."""
    notes = [_numbers(_read(path)) for path in sorted((benchmark.folder / "runs").glob("*.json"))]
    notes = [note for note in notes if "began" in note]
    working = list(_working(benchmark))
    return Spent(
        len(working),
        sum(working),
        len(notes),
        tuple(sorted({int(note.get("jobs", 1)) for note in notes})),
        _covered([(note["began"], note.get("seconds", 0)) for note in notes]),
        sum(int(note.get("made", 0)) for note in notes),
    )


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
            yield _numbers(record).get("seconds", _numbers(cost if isinstance(cost, dict) else {}).get("seconds", 0))


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    return {key: value for key, value in record.items() if isinstance(value, int | float)}


def _read(path: Path) -> dict[str, Any]:
    """A JSON file's mapping; empty where it is none."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
