"""What people do with the queue; called in the thread that owns the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from scumble.records.request import Request
from scumble.studio.jobs_state import PACKED, JobsState
from scumble.work.ledger import Entry, Row
from scumble.work.outcome import Outcome

__all__ = ["JobsFiling"]


class JobsFiling(JobsState):
    """Requests filed, taken off, made again and moved."""

    def add(self, requests: list[tuple[Request, str]], front: bool) -> list[dict[str, Any]]:
        """File requests with their output names; in front of all others, where asked for."""
        entries = [
            Entry(
                id=str(one.id),
                line=one.line(),
                body=one.model_dump(mode="json"),
                output=output,
                count=one.count,
                model=str(one.model.name or ""),
                priority=one.priority,
            )
            for one, output in requests
        ]
        self._ledger.add(entries)
        if self._following.at is not None:
            self._crew.cancel(self._following.number)  # what is kept goes first
        rows = [row for entry in entries if (row := self._ledger.find(entry.id)) is not None]
        if front:
            for row in reversed(rows):
                self._ledger.move(row.number, None)
        return [self._tell(row.number) for row in rows]

    def find(self, name: str) -> Row | None:
        """A request by its id."""
        return self._ledger.find(name)

    def cancel(self, numbers: list[int], now: bool) -> None:
        """Take requests off the queue; the one that runs stops at its next step, or at once with its process."""
        for number in numbers:
            state = self._ledger.cancel(number)
            if state == "cancelling":
                if now:
                    self._crew.end_now(number)
                else:
                    self._crew.cancel(number)
            self._tell(number)

    def again(self, number: int) -> None:
        """Queue a request again that failed, was stopped or interrupted, and all its companions that were."""
        row = self._ledger.row(number)
        edit = (row.body.get("labels") or {}).get("edit")
        others = [
            one.number
            for one in self._ledger.rows("failed", "cancelled", "interrupted")
            if (one.body.get("labels") or {}).get("edit") == edit
        ]
        self._ledger.requeue(others, "asked for again")
        for one in others:
            self._tell(one)

    def move(self, number: int, front: bool) -> None:
        """Put a request in front of all others."""
        if front:
            self._ledger.move(number, None)
        self._tell(number)

    def pause(self, reason: str | None) -> None:
        """Hand out nothing more, or go on."""
        self._ledger.pause(reason)
        if reason is None and self._halted is not None:
            self._halted = None
            self._unfinished()
        if reason is None:
            for row in self._ledger.rows("interrupted"):
                self._tell(row.number)
        self._tell_queue()

    def rows(self, *states: str) -> list[Row]:
        """Requests in these states."""
        return self._ledger.rows(*states)

    def output(self, stem: str) -> int:
        """A number that no result of this stem has yet."""
        taken = {one.stem for one in self.folder.glob(f"{stem}-*.png")} | {
            Path(row.output).stem for row in self._ledger.rows() if row.output.startswith(f"{stem}-")
        }
        number = 1
        while any(one == f"{stem}-{number:03}" or one.startswith(f"{stem}-{number:03}-") for one in taken):
            number += 1
        return number

    def load(self, model: str | None) -> None:
        """Load a model, or try again; a process that is begun anew loads it, too."""
        self._options["model"] = model
        self._load_first()
        self._tell_model(state="loading", error=None, chosen=model or PACKED[0], milliseconds=None)

    def _want(self, payload: Mapping[str, Any], future: Future[Any]) -> None:
        self._following.want((payload, future))
        if self._following.at is not None:
            self._crew.cancel(self._following.number)

    def _unfinished(self) -> None:
        """Requests whose end could not be written count as interrupted."""
        lost = [row.number for row in self._ledger.rows("running", "cancelling") if row.number not in self.working()]
        self._ledger.record([Outcome(number, "interrupted") for number in lost])
        for number in lost:
            self.live.pop(number, None)
            self._tell(number)
