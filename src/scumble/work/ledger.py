"""The ledger: one SQLite file that says of every request what became of it. The only place with SQL.

One process alone writes it (it holds the folder's lock), so there are no leases and no clocks: the lock is the lease.
Files are the truth and the ledger is an index: a row lost in a power cut is found again from its file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.files import atomic_write
from scumble.work.entry import Added, Claim, Entry, Row
from scumble.work.lock import FolderLock, holder, wait_for_workers
from scumble.work.outcome import Outcome, OutputFile, Standing, next_state
from scumble.work.place import inside, ledger_folder, settled_place, snapshot_path
from scumble.work.schema import STATES, join_body, open_to_read, open_to_write, split_body
from scumble.work.upgraded import still_the_same

__all__ = ["Added", "Claim", "Entry", "Ledger", "Row", "ledger_folder"]

RUNNING = ("running", "cancelling")
LAST = 2
"""A request that was running so often when its run died is made last, with nothing beside it."""
TOO_OFTEN = 4
"""… and fails when it was running so often."""


class Ledger:
    """The requests of one folder. Open one with :meth:`open` (to work on it) or :meth:`read` (to look at it)."""

    def __init__(self, folder: Path, base: sqlite3.Connection, lock: FolderLock | None) -> None:
        self.folder, self.base, self._lock = folder, base, lock
        self.run: int | None = None
        self._depth, self._only = 0, "1"

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

    # ------------------------------------------------------------------ filing

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
        """Queue requests again, with a clean slate: asked for by a person, or because what they depend on changed."""
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

    # ------------------------------------------------------------------ working

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

    def alike(self, kinds: Mapping[int, str] | None) -> None:
        """Say which requests may be made together, those of one kind; None: none."""
        self.base.execute("CREATE TEMP TABLE IF NOT EXISTS alike(number INTEGER PRIMARY KEY, kind TEXT)")
        self.base.execute("DELETE FROM alike")
        self.base.executemany("INSERT INTO alike VALUES (?, ?)", list((kinds or {}).items()))

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
                (number, k, one.path, one.size, one.mtime_ns, bytes.fromhex(one.file), _bytes(one.pixels))
                for k, one in enumerate(outcome.files)
            ],
        )
        self.base.executemany(
            "INSERT OR REPLACE INTO input VALUES (?, ?, ?, ?, ?)",
            [(number, path, size, mtime, bytes.fromhex(sha256)) for path, size, mtime, sha256 in outcome.inputs],
        )

    # ------------------------------------------------------------------ a person's wishes

    def cancel(self, number: int) -> str:
        """Take a request off the queue and return its state: one that runs is *cancelling* until its worker obeys."""
        with self.turn():
            self.base.execute(
                "UPDATE request SET state = CASE state WHEN 'running' THEN 'cancelling' ELSE 'cancelled' END,"
                " changed = ? WHERE number = ? AND state IN ('queued', 'interrupted', 'running')",
                (time.time(), number),
            )  # fmt: skip
        return self.row(number).state

    def move(self, number: int, before: int | None) -> None:
        """Put a request right before another in the order, or (None) in front of all."""
        with self.turn():
            if before is None:
                place = self._one("SELECT min(place) - 1 FROM request")
            else:
                stop = self._one("SELECT place FROM request WHERE number = ?", before)
                start = self._one("SELECT max(place) FROM request WHERE place < ? AND number != ?", stop, number)
                start = stop - 2 if start is None else start
                place = (start + stop) / 2
                if stop - start < 1e-9:
                    self._renumber()
                    self.move(number, before)
                    return
            self.base.execute("UPDATE request SET place = ? WHERE number = ?", (place, number))

    def _renumber(self) -> None:
        order = self.base.execute("SELECT number FROM request ORDER BY place").fetchall()
        self.base.executemany(
            "UPDATE request SET place = ? WHERE number = ?", [(float(k), one[0]) for k, one in enumerate(order)]
        )

    def pause(self, reason: str | None) -> None:
        """Hand out nothing more, and say why; None goes on. What runs is finished."""
        self.note("paused", reason)

    def paused(self) -> str | None:
        """Why nothing is handed out, or None."""
        return self.noted("paused")

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget requests that are not running; their files stay."""
        with self.turn():
            for number in numbers:
                if self.row(number).state in RUNNING:
                    raise InputError(f"request {number} is running: cancel it first")
                for table, column in (
                    ("output", "request"),
                    ("input", "request"),
                    ("attempt", "request"),
                    ("request", "number"),
                ):
                    self.base.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))

    # ------------------------------------------------------------------ looking

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

    def counts(self) -> dict[str, int]:
        """How many requests are in each state; every state is there."""
        return dict.fromkeys(STATES, 0) | dict(
            self.base.execute("SELECT state, count(*) FROM request GROUP BY state").fetchall()
        )

    def row(self, number: int) -> Row:
        """One request by its number.

        Raises:
            InputError: If there is none.
        """
        rows = self._rows("number = ?", (number,))
        if not rows:
            raise InputError(f"there is no request {number}")
        return rows[0]

    def find(self, name: str) -> Row | None:
        """One request by its id."""
        return next(iter(self._rows("request.id = ?", (name,))), None)

    def rows(self, *states: str, latest: bool = False, limit: int = -1) -> list[Row]:
        """Requests in some states (all by default), in their order, or the latest change first."""
        where = f"state IN ({', '.join('?' * len(states))})" if states else "1"
        return self._rows(where, states, "changed DESC" if latest else "priority DESC, place", limit)

    def left_by_group(self) -> list[tuple[int, str | None, int]]:
        """(settings, model's name, how many) of what is queued or running, what is alike together."""
        return self.base.execute(
            "SELECT settings, model.name, count(*) FROM request LEFT JOIN model ON model.id = model"
            " WHERE state IN ('queued', 'running', 'cancelling') GROUP BY settings, model.name"
        ).fetchall()

    def seconds_of(self, settings: int, model: str | None, latest: int) -> list[float]:
        """What the latest finished requests with these settings and this model took; of a group, each its share."""
        rows = self.base.execute(
            "SELECT began, ended, attempt.worker FROM request"
            " JOIN attempt ON request = request.number AND attempt.number = attempts LEFT"
            " JOIN model ON model.id = model WHERE state = 'done' AND reason = 'made' AND settings = ?"
            " AND model.name IS ? ORDER BY changed DESC LIMIT ?", (settings, model, latest),
        ).fetchall()  # fmt: skip
        together = Counter((ended, worker) for _, ended, worker in rows)
        return [(ended - began) / together[ended, worker] for began, ended, worker in rows]

    def at_work(self) -> list[tuple[str, str]]:
        """(worker, request's id) of what is running."""
        return self.base.execute(
            "SELECT worker.name, request.id FROM request JOIN worker ON worker.id = worker"
            " WHERE state IN ('running', 'cancelling') ORDER BY worker.name"
        ).fetchall()

    def finished_since(self, seconds: float) -> int:
        """How many attempts ended well within the last so many seconds."""
        since = time.time() - seconds
        return int(self._one("SELECT count(*) FROM attempt WHERE outcome = 'done' AND ended >= ?", since))

    def devices(self) -> list[tuple[str, int]]:
        """(kind of device, number of results made on it), the most frequent first."""
        return self.base.execute(
            "SELECT rtrim(device, '0123456789:'), count(*) FROM request JOIN worker ON worker.id = worker"
            " WHERE state = 'done' AND reason = 'made' GROUP BY 1 ORDER BY 2 DESC"
        ).fetchall()

    def runs(self) -> int:
        """How many processes have worked on this folder."""
        return int(self._one("SELECT count(*) FROM run"))

    def output_paths(self) -> set[str]:
        """The names of all files that belong to finished requests."""
        return {path for (path,) in self.base.execute("SELECT path FROM output")}

    def inputs(self, number: int) -> list[tuple[str, int, int, str]]:
        """(path, size, mtime_ns, sha256) of the files that a result was made from."""
        rows = self.base.execute("SELECT path, size, mtime_ns, sha256 FROM input WHERE request = ?", (number,))
        return [(path, size, mtime, sha256.hex()) for path, size, mtime, sha256 in rows]

    def attempts(self, number: int) -> list[dict[str, Any]]:
        """The attempts at a request, oldest first: number, began, ended, outcome, batch, error, worker."""
        names = ("number", "began", "ended", "outcome", "batch", "error", "worker")
        rows = self.base.execute(
            "SELECT number, began, ended, outcome, batch, error, (SELECT name FROM worker WHERE id = attempt.worker)"
            " FROM attempt WHERE request = ? ORDER BY number", (number,),
        )  # fmt: skip
        return [dict(zip(names, row, strict=True)) for row in rows]

    def weights(self, model: str) -> dict[str, int]:
        """Weights hash -> number of finished requests that were made with them under this model's name."""
        return dict(
            self.base.execute(
                "SELECT lower(hex(weights)), count(*) FROM request JOIN model ON model.id = request.model"
                " WHERE model.name = ? AND weights IS NOT NULL AND state = 'done' GROUP BY weights", (model,),
            ).fetchall()
        )  # fmt: skip

    def holder(self) -> str | None:
        """Which process has the folder now, or None."""
        return holder(ledger_folder(self.folder))

    def _rows(self, where: str, values: Sequence[Any], order: str = "number", limit: int = -1) -> list[Row]:
        rows = self.base.execute(
            "SELECT number, request.id, state, reason, error, hint, output, count, attempts, faults, interruptions,"
            " priority, place, batch, seconds, forward, backward, peak, source, key, model.name, worker.name, changed,"
            " body, differs FROM request JOIN settings ON settings.id = settings LEFT JOIN model ON model.id = model"
            f" LEFT JOIN worker ON worker.id = worker WHERE {where} ORDER BY {order} LIMIT {int(limit)}", values,
        ).fetchall()  # fmt: skip
        return [self._row_of(row) for row in rows]

    def _row_of(self, row: Sequence[Any]) -> Row:
        key = None if row[19] is None else row[19].hex()
        values: tuple[Any, ...] = (*row[:19], key, *row[20:23], join_body(row[23], row[24]), self._files(row[0]))
        return Row(*values)

    def _files(self, number: int) -> tuple[OutputFile, ...]:
        rows = self.base.execute(
            "SELECT path, file, size, mtime_ns, pixels FROM output WHERE request = ? ORDER BY k", (number,)
        )
        return tuple(OutputFile(p, f.hex(), s, m, None if x is None else x.hex()) for p, f, s, m, x in rows)

    # ------------------------------------------------------------------ inside

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

    def _settings(self, text: str) -> int:
        digest = _sha256(text)
        known = self._one("SELECT id FROM settings WHERE sha256 = ?", digest)
        if known is None:
            known = self.base.execute("INSERT INTO settings(sha256, body) VALUES (?, ?)", (digest, text)).lastrowid
        return int(known)

    def _model(self, name: str, weights: str | None) -> int:
        known = self._one("SELECT id FROM model WHERE name = ? AND weights IS ?", name, _bytes(weights))
        if known is None:
            row = (name, _bytes(weights))
            known = self.base.execute("INSERT INTO model(name, weights) VALUES (?, ?)", row).lastrowid
        return int(known)

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


def _bytes(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
