"""The ledger: one SQLite file that says of every request what became of it. SQL is nowhere but in the ledger's files.

One process alone writes it (it holds the folder's lock), so there are no leases and no clocks: the lock is the lease.
Files are the truth and the ledger is an index: a row lost in a power cut is found again from its file.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.files import atomic_write
from scumble.work.entry import Added, Claim, Entry, Row
from scumble.work.ledger_wishes import LedgerWishes
from scumble.work.lock import FolderLock, wait_for_workers
from scumble.work.place import inside, ledger_folder, settled_place, snapshot_path
from scumble.work.schema import open_to_read, open_to_write

__all__ = ["Added", "Claim", "Entry", "Ledger", "Row", "ledger_folder"]

LAST = 2
"""A request that was running so often when its run died is made last, with nothing beside it."""
TOO_OFTEN = 4
"""… and fails when it was running so often."""


class Ledger(LedgerWishes):
    """The requests of one folder. Open one with :meth:`open` (to work on it) or :meth:`read` (to look at it).

    Args:
        folder: The folder of the results.
        base: The open database; :meth:`open` and :meth:`read` make it.
        lock: The folder's lock, or None of who only reads.
    """

    @classmethod
    def open(
        cls, folder: str | Path, what: str, versions: Mapping[str, str] | None = None, *, take_over: bool = False
    ) -> Ledger:
        """Take the folder for this process. What was running when an earlier process died is *interrupted*.

        Args:
            folder: The folder of the results; made when it is not there.
            what: What this process is, for those who come too late ("scumble batch").
            versions: What the results depend on, kept with the run.
            take_over: Go on from the copy of a ledger that is on another machine's disk.

        Raises:
            InputError: If another process has it, or the ledger is not one of this version's.
        """
        folder = Path(folder)
        place = settled_place(folder, take_over)
        lock = FolderLock(place, what)
        try:
            wait_for_workers(place)
            base = open_to_write(place / "ledger.sqlite")
            ledger = cls(folder, base, lock)
            ledger._begin(what, versions or {})
        except BaseException:
            lock.release()
            raise
        return ledger

    @classmethod
    def read(cls, folder: str | Path) -> Ledger:
        """Look at a folder's ledger without writing, also while another process works on it.

        Raises:
            InputError: If there is none.
        """
        path = ledger_folder(folder) / "ledger.sqlite"
        path = path if path.is_file() else snapshot_path(folder)
        if not path.is_file():
            raise InputError(f"{folder} holds no ledger: nothing was made there by scumble batch or the studio")
        return cls(Path(folder), open_to_read(path), None)

    def close(self, clean: bool = True) -> None:
        """End the run; ``clean`` when nothing is left half-done."""
        if self._lock is not None:
            with contextlib.suppress(sqlite3.Error), self.turn():
                self.base.execute(
                    "UPDATE run SET ended = ?, clean = ? WHERE id = ?", (time.time(), int(clean), self.run)
                )
            with contextlib.suppress(sqlite3.Error, InputError):
                self.base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self.copy_out()
        self.base.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.close(clean=kind is None)

    def copy_out(self) -> None:
        """Where the ledger is on another disk than its folder, put a whole copy of it into the folder."""
        if ledger_folder(self.folder) != inside(self.folder):
            with atomic_write(snapshot_path(self.folder)) as unfinished:
                self.base.execute("VACUUM INTO ?", (str(unfinished),))

    def _begin(self, what: str, versions: Mapping[str, str]) -> None:
        with self.turn():
            before = self._row("SELECT id, clean FROM run ORDER BY id DESC LIMIT 1")
            self.unclean = before is not None and not before[1]
            self._interrupt()
            row = (time.time(), socket.gethostname(), os.getpid(), what, json.dumps(dict(versions), sort_keys=True))
            made_by = "INSERT INTO run(began, host, pid, how, versions, clean) VALUES (?, ?, ?, ?, ?, 0)"
            self.run = self.base.execute(made_by, row).lastrowid

    unclean = False
    """Whether the process that had the folder before this one died in the middle."""

    def _interrupt(self) -> None:
        """What is still running belongs to a process that died. Only what a worker was really at counts against it."""
        now = time.time()
        rows = self.base.execute(
            "SELECT number, state, interruptions, attempts, worker FROM request"
            " WHERE state IN ('running', 'cancelling') ORDER BY changed, number"
        ).fetchall()
        busy: set[Any] = set()
        for number, state, interruptions, attempts, worker in rows:
            again = interruptions + (worker not in busy)
            busy.add(worker)
            after, error = "interrupted", None
            if state == "cancelling":
                after = "cancelled"
            elif again >= TOO_OFTEN:
                after, error = "failed", f"was running each of {again} times when the run died"
            self.base.execute(
                "UPDATE request SET state = ?, reason = 'interrupted', error = ?, interruptions = ?,"
                " alone = max(alone, ?), changed = ?,"
                " place = CASE WHEN ? THEN (SELECT max(place) + 1 FROM request) ELSE place END WHERE number = ?",
                (after, error, again, int(again >= LAST), now, int(again >= LAST), number),
            )  # fmt: skip
            self.base.execute(
                "UPDATE attempt SET ended = ?, outcome = 'interrupted' WHERE request = ? AND number = ?",
                (now, number, attempts),
            )
