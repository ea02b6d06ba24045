"""What people change in the queue: take off, put in front, pause, forget."""

from __future__ import annotations

import time
from collections.abc import Iterable

from scumble.errors import InputError
from scumble.work.ledger_work import LedgerWork

__all__ = ["LedgerWishes"]


RUNNING = ("running", "cancelling")


class LedgerWishes(LedgerWork):
    """A ledger whose queue can be changed."""

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
