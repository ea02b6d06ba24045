"""Rows of a long measurement kept in a file as they come, so that it goes on where it was cut off."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Rows"]


class Rows:
    """A CSV file of results; a row is known by its key columns.

    Args:
        path: The file, made with its head where there is none.
        key: Columns that name a row.
        figures: The other columns.
    """

    def __init__(self, path: Path, key: Sequence[str], figures: Sequence[str]) -> None:
        self.path, self.key, self.columns = path, tuple(key), (*key, *figures)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(",".join(self.columns) + "\n", encoding="utf-8")
        with path.open(encoding="utf-8", newline="") as file:
            self.rows = [row for row in csv.DictReader(file) if all(row[column] for column in self.key)]
        self._known = {tuple(row[column] for column in self.key) for row in self.rows}

    def has(self, *key: object) -> bool:
        """Whether the row of these key columns is there."""
        return tuple(map(str, key)) in self._known

    def add(self, row: Mapping[str, object]) -> None:
        """Append a row, in the file at once."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)
        self.rows.append({column: str(value) for column, value in row.items()})
        self._known.add(tuple(str(row[column]) for column in self.key))
