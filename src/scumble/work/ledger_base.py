"""The ledger's file: one SQLite database, its transactions, and words about the whole."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.work.lock import FolderLock

__all__ = ["LedgerBase", "bytes_of"]


class LedgerBase:
    """A connection, and who has the folder."""

    def __init__(self, folder: Path, base: sqlite3.Connection, lock: FolderLock | None) -> None:
        self.folder, self.base, self._lock = folder, base, lock
        self.run: int | None = None
        self._depth, self._only = 0, "1"

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """One transaction for all that is written inside; a turn within a turn is part of it."""
        if self._depth:
            yield
            return
        self.base.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            self.base.execute("ROLLBACK")
            raise
        self._depth -= 1
        self.base.execute("COMMIT")

    def note(self, name: str, value: str | None) -> None:
        """Keep a word about the whole ledger (name of the list, threads); None forgets it."""
        with self.turn():
            if value is None:
                self.base.execute("DELETE FROM meta WHERE name = ?", (name,))
            else:
                self.base.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        """What was kept under a name by :meth:`note`."""
        value = self._one("SELECT value FROM meta WHERE name = ?", name)
        return None if value is None else str(value)

    def _row(self, text: str, *values: Any) -> Any:
        return self.base.execute(text, values).fetchone()

    def _known_row(self, text: str, *values: Any) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._row(text, *values)
        if row is None:
            raise InputError(f"the ledger has no request {values[-1]}")
        return row

    def _one(self, text: str, *values: Any) -> Any:
        row = self._row(text, *values)
        return None if row is None else row[0]


def bytes_of(digits: str | None) -> bytes | None:
    """The bytes of hexadecimal digits."""
    return None if digits is None else bytes.fromhex(digits)
