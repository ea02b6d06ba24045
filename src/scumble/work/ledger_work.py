"""Requests handed out to workers, and how their attempts ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scumble.work.entry import Claim, Row
from scumble.work.ledger_base import bytes_of
from scumble.work.ledger_filing import LedgerFiling
from scumble.work.outcome import Outcome, Standing, next_state
from scumble.work.schema import join_body

__all__ = ["LedgerWork"]


class LedgerWork(LedgerFiling):
    """A ledger that hands out requests."""

    def begin_worker(self, name: str, device: str, about: Mapping[str, Any]) -> int:
        """File a worker; its number stands in the rows of what it makes."""
        with self.turn():
            row = (self.run, name, device, json.dumps(dict(about), sort_keys=True))
            return int(
                self.base.execute("INSERT INTO worker(run, name, device, about) VALUES (?, ?, ?, ?)", row).lastrowid
                or 0
            )

    def restrict(self, numbers: Iterable[int] | None) -> None:
        """Let :meth:`claim` hand out these requests alone; None: all."""
        self.base.execute("CREATE TEMP TABLE IF NOT EXISTS wanted(number INTEGER PRIMARY KEY)")
        self.base.execute("DELETE FROM wanted")
        self._only = "1" if numbers is None else "number IN (SELECT number FROM wanted)"
        self.base.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", [(number,) for number in numbers or ()])

    def due(self) -> int:
        """How many requests wait to be handed out."""
        return int(self._one(f"SELECT count(*) FROM request WHERE state = 'queued' AND {self._only}"))

    def alike(self, kinds: Mapping[int, str] | None) -> None:
        """Say which requests may be made together, those of one kind; None: none."""
        self.base.execute("CREATE TEMP TABLE IF NOT EXISTS alike(number INTEGER PRIMARY KEY, kind TEXT)")
        self.base.execute("DELETE FROM alike")
        self.base.executemany("INSERT INTO alike VALUES (?, ?)", list((kinds or {}).items()))

    def claim(self, worker: int, *, affinity: str | None = None) -> Claim | None:
        """Take the next request for a worker: by priority, then what the worker has loaded already, then by place.

        A request that crashed its worker before is handed out only when nothing else is running, and nothing is handed
        out beside it.

        Args:
            worker: Number of :meth:`begin_worker`.
            affinity: That of the worker's last request.

        Returns:
            None when nothing is due for this worker now.
        """
        with self.turn():
            if self.paused() is not None or self._one("SELECT 1 FROM request WHERE state = 'running' AND alone = 1"):
                return None
            due = f"state = 'queued' AND alone = 0 AND {self._only}"
            first = self._row(f"SELECT number, priority FROM request WHERE {due} ORDER BY priority DESC, place LIMIT 1")
            if first is not None and affinity is not None:
                near = self._row(
                    f"SELECT number, priority FROM request WHERE {due} AND affinity = ? AND priority = ?"
                    " ORDER BY place LIMIT 1", bytes.fromhex(affinity), first[1],
                )  # fmt: skip
                first = near or first
            if first is None:
                if self._one("SELECT 1 FROM request WHERE state IN ('running', 'cancelling')"):
                    return None
                first = self._row(
                    f"SELECT number FROM request WHERE state = 'queued' AND {self._only}"
                    " ORDER BY priority DESC, place LIMIT 1"
                )
            return None if first is None else self._take(int(first[0]), worker)

    def claim_beside(self, worker: int, number: int, most: int) -> list[Claim]:
        """Take up to ``most`` more requests that may be made together with one that was handed out.

        What failed, crashed or was lost before is made by itself, and so is what was interrupted.
        """
        usual = "faults = 0 AND losses = 0 AND interruptions = 0 AND alone = 0 AND batch IS NULL"
        with self.turn():
            kind = self._one(f"SELECT kind FROM alike JOIN request USING (number) WHERE number = ? AND {usual}", number)
            rows = self.base.execute(
                "SELECT number FROM request WHERE number IN (SELECT number FROM alike WHERE kind = ?)"
                f" AND state = 'queued' AND {usual} AND {self._only} ORDER BY priority DESC, place LIMIT ?",
                (kind, most),
            ).fetchall()
            return [self._take(int(one), worker) for (one,) in rows]

    def _take(self, number: int, worker: int) -> Claim:
        now = time.time()
        self.base.execute(
            "UPDATE request SET state = 'running', attempts = attempts + 1, run = ?, worker = ?, changed = ?"
            " WHERE number = ?", (self.run, worker, now, number),
        )  # fmt: skip
        row = self._known_row(
            "SELECT request.id, body, differs, output, attempts, batch, alone, affinity, key, reason FROM request"
            " JOIN settings ON settings.id = settings WHERE number = ?", number,
        )  # fmt: skip
        name, body, differs, output, attempts, batch, alone, affinity, key, reason = row
        self.base.execute(
            "INSERT INTO attempt(request, number, run, worker, began, batch) VALUES (?, ?, ?, ?, ?, ?)",
            (number, attempts, self.run, worker, now, batch),
        )
        return Claim(
            number, name, join_body(body, differs), output, attempts, batch, bool(alone),
            None if affinity is None else affinity.hex(), None if key is None else key.hex(), reason,
        )  # fmt: skip

    def record(self, outcomes: Sequence[Outcome], retries: int = 1) -> list[Row]:
        """Write how attempts ended, in one transaction, and return the rows as they are now.

        The files of a result must have their final names already: a row never points at what is not there.
        """
        now = time.time()  # one for all: what was made together is known by it
        with self.turn():
            for outcome in outcomes:
                self._settle(outcome, retries, now)
        return [self.row(outcome.number) for outcome in outcomes]

    def _settle(self, outcome: Outcome, retries: int, now: float) -> None:
        known = self._known_row("SELECT faults, losses, state, attempts FROM request WHERE number = ?", outcome.number)
        after = next_state(outcome, Standing(known[0], known[1], known[2] == "cancelling"), retries)
        self.base.execute(
            "UPDATE attempt SET ended = ?, outcome = ?, error = ?, batch = coalesce(?, batch)"
            " WHERE request = ? AND number = ?",
            (now, outcome.kind, outcome.error, outcome.batch, outcome.number, known[3]),
        )
        place = self._one("SELECT max(place) + 1 FROM request") if after.behind else None
        self.base.execute(
            "UPDATE request SET state = ?, reason = ?, error = ?, hint = ?, faults = faults + ?, losses = losses + ?,"
            " alone = max(alone, ?), batch = coalesce(?, ?, batch), place = coalesce(?, place), changed = ?"
            " WHERE number = ?",
            (
                after.state, outcome.remark or (outcome.kind if after.state != "done" else None), outcome.error,
                outcome.hint, int(after.fault), int(outcome.kind == "lost"), int(after.alone), outcome.batch,
                after.batch, place, now, outcome.number,
            ),
        )  # fmt: skip
        if after.state == "done":
            self._done(outcome)

    def _done(self, outcome: Outcome) -> None:
        cost, number = outcome.cost, outcome.number
        self.base.execute(
            "UPDATE request SET key = ?, model = coalesce(?, model), seconds = ?, forward = ?, backward = ?, peak = ?"
            " WHERE number = ?",
            (
                None if outcome.key is None else bytes.fromhex(outcome.key),
                None if outcome.model is None else self._model(*outcome.model),
                cost.get("seconds"), cost.get("forward"), cost.get("backward"), cost.get("peak"), number,
            ),
        )  # fmt: skip
        self.base.execute("DELETE FROM output WHERE request = ?", (number,))
        self.base.execute("DELETE FROM input WHERE request = ?", (number,))
        self.base.executemany(
            "INSERT OR REPLACE INTO output VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (number, k, one.path, one.size, one.mtime_ns, bytes.fromhex(one.file), bytes_of(one.pixels))
                for k, one in enumerate(outcome.files)
            ],
        )
        self.base.executemany(
            "INSERT OR REPLACE INTO input VALUES (?, ?, ?, ?, ?)",
            [(number, path, size, mtime, bytes.fromhex(sha256)) for path, size, mtime, sha256 in outcome.inputs],
        )
