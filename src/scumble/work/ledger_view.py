"""What the ledger says of requests, without changing it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scumble.errors import InputError
from scumble.work.entry import Row
from scumble.work.ledger_base import LedgerBase
from scumble.work.lock import holder
from scumble.work.outcome import OutputFile
from scumble.work.place import ledger_folder
from scumble.work.schema import STATES, join_body

__all__ = ["LedgerView"]


class LedgerView(LedgerBase):
    """A ledger to look at."""

    def paused(self) -> str | None:
        """Why nothing is handed out, or None."""
        return self.noted("paused")

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
        """Number of attempts that succeeded within the last seconds."""
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
