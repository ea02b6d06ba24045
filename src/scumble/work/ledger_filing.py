"""Requests filed in the ledger, and queued again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import Any

from scumble.work.entry import Added, Entry
from scumble.work.ledger_base import bytes_of
from scumble.work.ledger_view import LedgerView
from scumble.work.schema import join_body, split_body
from scumble.work.upgraded import still_the_same

__all__ = ["LedgerFiling"]


class LedgerFiling(LedgerView):
    """A ledger that takes requests."""

    def add(self, entries: Iterable[Entry], *, whole: bool = False) -> Added:
        """File requests in one transaction, in the order in which they are to be made.

        What is filed already with the same line stays as it is, and so does what an earlier version filed where only
        fields came since that are at their defaults; one whose line changed is queued again.

        Args:
            entries: The requests.
            whole: The entries are the whole list: those filed before and absent now are withdrawn.
        """
        tally = {"new": 0, "same": 0, "changed": 0, "withdrawn": 0}
        with self.turn():
            place = self._one("SELECT coalesce(max(place), 0) FROM request")
            self.base.execute("CREATE TEMP TABLE IF NOT EXISTS listed(id TEXT PRIMARY KEY)")
            self.base.execute("DELETE FROM listed")
            for number, entry in enumerate(entries, 1):
                tally[self._file(entry, place + number)] += 1
                self.base.execute("INSERT OR IGNORE INTO listed VALUES (?)", (entry.id,))
            if whole:
                gone = "state != 'withdrawn' AND id NOT IN (SELECT id FROM listed)"
                tally["withdrawn"] = self.base.execute(f"UPDATE request SET state = 'withdrawn' WHERE {gone}").rowcount
        return Added(**tally)

    def _file(self, entry: Entry, place: float) -> str:
        settings, differs = split_body(entry.body)
        line = bytes.fromhex(entry.line)
        affinity = None if entry.affinity is None else bytes.fromhex(entry.affinity)
        values = (
            line, self._settings(settings), differs, entry.output, entry.count, self._model(entry.model, None),
            entry.rows, entry.priority, place, affinity, entry.source, time.time(),
        )  # fmt: skip
        known = self._row("SELECT number, line, state FROM request WHERE id = ?", entry.id)
        if known is None:
            self.base.execute(
                "INSERT INTO request(line, settings, differs, output, count, model, rows, priority, place, affinity,"
                " source, changed, id, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued')",
                (*values, entry.id),
            )
            return "new"
        number, before, state = known
        if before == line or still_the_same(self._body(number), entry.body):
            self.base.execute("UPDATE request SET line = ? WHERE number = ?", (line, number))
            self.base.execute(
                "UPDATE request SET differs = ?, output = ?, priority = ?, place = ?, affinity = ?, source = ?,"
                " rows = coalesce(?, rows) WHERE number = ?",
                (differs, entry.output, entry.priority, place, affinity, entry.source, entry.rows, number),
            )
            if state == "withdrawn":
                there = self._one("SELECT 1 FROM output WHERE request = ?", number)
                self._requeue(number, None, state="done" if there else "queued")
            return "same"
        self.base.execute(
            "UPDATE request SET line = ?, settings = ?, differs = ?, output = ?, count = ?, model = ?, rows = ?,"
            " priority = ?, place = ?, affinity = ?, source = ?, changed = ? WHERE number = ?", (*values, number),
        )  # fmt: skip
        self._requeue(number, "the request changed")
        return "changed"

    def _body(self, number: int) -> dict[str, Any]:
        """A request as it was filed."""
        query = "SELECT body, differs FROM request JOIN settings ON settings.id = settings WHERE number = ?"
        shared, differs = self._row(query, number) or ("{}", "{}")
        return join_body(shared, differs)

    def requeue(self, numbers: Iterable[int], reason: str) -> None:
        """Queue requests again, with a clean slate: asked for by the user, or because what they depend on changed."""
        with self.turn():
            for number in numbers:
                self._requeue(number, reason)

    def _requeue(self, number: int, reason: str | None, state: str = "queued") -> None:
        self.base.execute(
            "UPDATE request SET state = ?, reason = ?, error = NULL, hint = NULL, faults = 0, losses = 0,"
            " interruptions = 0, alone = 0, batch = NULL, changed = ? WHERE number = ?",
            (state, reason, time.time(), number),
        )

    def resume_interrupted(self) -> int:
        """Queue what was interrupted; return how many. A person who starts a batch again asks for just that."""
        with self.turn():
            changed = self.base.execute(
                "UPDATE request SET state = 'queued', changed = ? WHERE state = 'interrupted'", (time.time(),)
            )
        return changed.rowcount

    def _settings(self, text: str) -> int:
        digest = _sha256(text)
        known = self._one("SELECT id FROM settings WHERE sha256 = ?", digest)
        if known is None:
            known = self.base.execute("INSERT INTO settings(sha256, body) VALUES (?, ?)", (digest, text)).lastrowid
        return int(known)

    def _model(self, name: str, weights: str | None) -> int:
        known = self._one("SELECT id FROM model WHERE name = ? AND weights IS ?", name, bytes_of(weights))
        if known is None:
            row = (name, bytes_of(weights))
            known = self.base.execute("INSERT INTO model(name, weights) VALUES (?, ?)", row).lastrowid
        return int(known)


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
