"""The queue: requests in the ledger, one process that makes them, and what the page is told of both.

One thread owns the ledger and the crew; everything else hands it calls.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from scumble.studio.events import Events
from scumble.studio.job_view import job_of
from scumble.studio.jobs_hearing import JobsHearing
from scumble.studio.jobs_state import NAME, PACKED
from scumble.studio.store import Store
from scumble.work.commit import clear_temporaries
from scumble.work.crew import Task
from scumble.work.ledger import Ledger
from scumble.work.local import LocalCrew, Seat
from scumble.work.outcome import Outcome

__all__ = ["PACKED", "Jobs", "job_of"]

T = TypeVar("T")


class Jobs(JobsHearing):
    """Runs the queue of one folder.

    Args:
        folder: Where results go; the ledger is in ``.scumble`` inside.
        events: Hears what happens.
        store: Opens what remembers results, once the folder is ours.
        model: The model that is loaded.
        device: Where.
        version: Of Scumble, kept with the run.
        preview_vae: A folder with a small decoder for previews.
        computed: ``runtime`` and ``dtype``, where they are not the usual ones.

    Raises:
        InputError: If another process has the folder.
    """

    def __init__(
        self,
        folder: Path,
        events: Events,
        store: Callable[[], Store],
        model: str | None,
        device: str | None,
        version: str = "",
        preview_vae: Path | None = None,
        computed: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:
        preview = None if preview_vae is None else str(preview_vae)
        options = {"model": model, "device": device, "preview_vae": preview, **computed}
        super().__init__(folder, events, model, options)
        self._version = version
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._closing = False
        opened: Future[None] = Future()
        self.thread = threading.Thread(target=self._begin, args=(opened,), name="scumble queue", daemon=True)
        self.thread.start()
        opened.result()
        self.store = store()

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Run something in the queue's thread, where the ledger may be touched."""
        future: Future[Any] = Future()
        self._calls.put((function, future))
        self._crew.wake()
        return future

    def ask(self, what: str, **data: Any) -> Future[Any]:
        """Ask the maker something; answered when it has nothing else to do."""
        future: Future[Any] = Future()
        self.call(lambda: self._questions.append((what, data, future)))
        return future

    def follow(self, payload: Mapping[str, Any]) -> Future[Any]:
        """Make an edit for the screen alone, in the place of the one that was asked for before.

        The future fails with Overtaken when a newer one, or one that is to be kept, comes first.
        """
        future: Future[Any] = Future()
        self.call(lambda: self._want(payload, future))
        return future

    def close(self) -> None:
        """Stop what runs, mark it interrupted, end the process."""
        self._closing = True
        self._crew.wake()
        self.thread.join(6.0)

    def begin(self) -> None:
        """Load the model, behind whatever is asked before."""
        self.call(self._load_first)

    def snapshot(self) -> dict[str, Any]:
        """Jobs, queue and model as the page sees them."""
        return self.call(self._snapshot).result(20)

    def _begin(self, opened: Future[None]) -> None:
        """Take the folder and start the process, in the thread that will use the ledger: SQLite allows no other."""
        try:
            self._ledger = Ledger.open(self.folder, "scumble studio", {"scumble": self._version})
            hidden = self.folder / ".scumble"
            self._crew = LocalCrew(
                "scumble.studio.worker:Maker",
                [Seat(NAME, self._options)],
                logs=hidden / "logs",
                lock=hidden,
                grace=60.0,
            )
            counts = self._ledger.counts()
            if self._ledger.unclean and counts["interrupted"] + counts["queued"]:
                self._ledger.pause("the studio ended in the middle of its work; see what was interrupted, then go on")
        except BaseException as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        self._run()

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except (OSError, sqlite3.Error) as error:
                self._stumbled(error)
        self._end()

    def _turn(self) -> None:
        """One round: do what was called for, hand out work, hear what came."""
        self._do_calls()
        if self._halted is None:
            self._hand_out()
        events = self._crew.wait(self._patience())
        self._watch_silence()
        for event in events:
            self._hear(event)

    def _stumbled(self, error: Exception) -> None:
        """The ledger cannot be written: say so and hand out nothing until somebody goes on."""
        self._halted = f"the folder cannot be written ({error}): make room or check its rights, then go on"
        self.events.publish("queue", {"paused": True, "reason": self._halted})
        self.events.publish("news", {"text": self._halted[:1].upper() + self._halted[1:] + ".", "kind": "fault"})

    def _patience(self) -> float:
        return 1.0 if self._at is not None else 30.0

    def _do_calls(self) -> None:
        while not self._calls.empty():
            function, future = self._calls.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function())
            except Exception as error:
                future.set_exception(error)

    def _hand_out(self) -> None:
        if self._at is not None or self._asked is not None or self._following.at is not None or not self._crew.idle():
            return
        counts_only = all(what == "count" for what, _, _ in self._questions)  # a stroke goes before what it will cost
        if counts_only and self._follow():
            return
        if self._questions:
            what, data, future = self._questions.pop(0)
            self._asked = (what, future)
            if what == "load":
                data = {"model": self._options["model"]}
                if self.model["state"] != "ready":
                    self._tell_model(state="loading", error=None)
            self._crew.ask(NAME, what, data)
            return
        claim = self._ledger.claim(self._worker) if self._worker else None
        if claim is None:
            self._follow()
            return
        self._at = claim
        self.live[claim.number] = {"began": time.monotonic(), "heard": time.monotonic()}
        payload = {"request": claim.body, "output": claim.output, "folder": str(self.folder)}
        self._crew.give(NAME, Task(claim.number, payload))
        self._tell(claim.number)

    def _follow(self) -> bool:
        """Hand out the newest wish of what follows the brush, unless something that is to be kept waits."""
        if self._ledger.paused() is None and self._ledger.counts()["queued"]:
            return False
        if (wish := self._following.begin()) is None:
            return False
        self._crew.give(NAME, Task(self._following.number, wish))
        return True

    def _end(self) -> None:
        """Let what runs stop for two seconds; it is queued again, since the end was asked for."""
        if self._at is not None:
            number = self._at.number
            self._crew.cancel(number, "interrupted")
            until = time.monotonic() + 1.5
            while self._at is not None and time.monotonic() < until:
                for event in self._crew.wait(0.2):
                    if event.kind == "finished" and event.number == number:
                        done = event.data.get("outcome", "done") == "done"
                        if done:
                            self._finished(event)
                        self._at = None
            if self._ledger.row(number).state in ("running", "cancelling"):
                self._ledger.record([Outcome(number, "interrupted")])
                self._ledger.requeue([number], "the studio was ended; goes on with the next start")
        self._do_calls()
        with contextlib.suppress(Exception):
            self._crew.close()
        clear_temporaries([self.folder])
        self._ledger.close()
