"""log.csv: what a training said, one line every so often."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Log"]


class Log:
    """Opens `path` for writing; lines beyond `step`, from where a run goes on, are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        rows: list[list[str]] = []
        if step and path.exists():
            with path.open(newline="") as old:
                rows = [row for row in csv.reader(old) if row and row[0].isdigit() and int(row[0]) <= step]
        self.path = path
        self._file = path.open("w", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerows([["step", "samples", "seconds", "values"], *rows])
        self._file.flush()

    def write(self, place: Sequence[object], values: Mapping[str, float]) -> None:
        """One line: step, samples and seconds, then the values by name."""
        self._writer.writerow([*place, *(f"{key}={value:.5f}" for key, value in values.items())])
        self._file.flush()

    def close(self) -> None:
        """No more lines."""
        self._file.close()
