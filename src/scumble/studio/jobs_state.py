"""What the queue knows, and how the page is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from scumble.studio.events import Events
from scumble.studio.job_view import OVER, job_of
from scumble.studio.live import Live
from scumble.studio.store import Store
from scumble.work.ledger import Claim, Ledger
from scumble.work.local import LocalCrew

__all__ = ["NAME", "PACKED", "JobsState"]

NAME = "maker"
"""Name of the process that makes requests."""
PACKED = ("still-life", "still-life-fast", "still-life-instruct", "still-life-pixel")
"""Models that come with the package; the first is the usual one."""
ROWS_KEPT = 40
"""Finished requests that the page is told of."""


class JobsState:
    """The model, the requests at work, and what was measured. Only the queue's thread touches the ledger."""

    store: Store
    _ledger: Ledger
    _crew: LocalCrew

    def __init__(self, folder: Path, events: Events, model: str | None, options: Mapping[str, Any]) -> None:
        self.folder, self.events = folder, events
        self.model: dict[str, Any] = {
            "name": "" if model is None else Path(model).name,
            "chosen": model or PACKED[0],
            "state": "starting",
            "device": "",
            "milliseconds": None,
            "about": "",
            "error": None,
            "choices": [*([] if model is None or model in PACKED else [model]), *PACKED],
        }
        self.live: dict[int, dict[str, Any]] = {}
        self.jpegs: dict[int, bytes] = {}
        self.takes_text, self.instructs = True, False
        self.defaults: dict[str, Any] = {}
        self.computed: dict[str, str] = {}
        self.paces: list[float] = []
        self.on_model: Callable[[], Any] = lambda: None
        self._options = dict(options)
        self._following = Live()
        self._at: Claim | None = None
        self._worker = 0
        self._asked: tuple[str, Future[Any] | None] | None = None
        self._questions: list[tuple[str, dict[str, Any], Future[Any]]] = []
        self._halted: str | None = None

    def working(self) -> list[int]:
        """Numbers of what runs."""
        return [] if self._at is None else [self._at.number]

    def seconds_for(self, rows: int) -> tuple[float, float] | None:
        """How long these rows will take on this machine, from the paces of before; None: nothing was measured."""
        if self.paces:
            return 0.85 * rows * min(self.paces), 1.3 * rows * max(self.paces) + 0.2
        milliseconds = self.model.get("milliseconds")
        return None if not milliseconds else (0.7 * rows * milliseconds / 1000, 2 * rows * milliseconds / 1000 + 0.3)

    def busy(self) -> bool:
        """Whether the maker has no time for a question now."""
        return self._at is not None or self.model["state"] != "ready"

    def _paced(self, cost: Mapping[str, Any]) -> None:
        """Keep what a row took, all of an edit included: the next estimates come from it."""
        rows = int(cost.get("forward") or 0) + int(cost.get("backward") or 0)
        if rows >= 4:
            self.paces = [*self.paces[-7:], float(cost.get("seconds") or 0.0) / rows]

    def _load_first(self) -> None:
        """Before all other questions: load the chosen model."""
        if not any(what == "load" for what, _, _ in self._questions):
            self._questions.insert(0, ("load", {}, Future()))

    def _snapshot(self) -> dict[str, Any]:
        rows = self._ledger.rows("queued", "running", "cancelling", "interrupted")
        rows += self._ledger.rows(*OVER, latest=True, limit=ROWS_KEPT)
        reason = self._halted or self._ledger.paused()
        return {
            "jobs": [job_of(row, self.live.get(row.number)) for row in rows],
            "queue": {"paused": reason is not None, "reason": reason or ""},
            "model": self.model,
        }

    def _tell(self, number: int) -> dict[str, Any]:
        batch = job_of(self._ledger.row(number), self.live.get(number))
        self.events.publish("job", batch)
        return batch

    def _tell_queue(self) -> None:
        reason = self._halted or self._ledger.paused()
        self.events.publish("queue", {"paused": reason is not None, "reason": reason or ""})

    def _tell_model(self, **change: Any) -> None:
        if any(self.model.get(key) != value for key, value in change.items()):
            self.model = {**self.model, **change}
            self.events.publish("model", change)
