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
from typing import Any, TypeVar

from scumble.records.request import Request
from scumble.studio.events import Events
from scumble.studio.live import Live
from scumble.studio.store import Store
from scumble.work.commit import clear_temporaries, durable, outcome_of_event
from scumble.work.crew import Event, Task
from scumble.work.ledger import Claim, Entry, Ledger, Row
from scumble.work.local import LocalCrew, Seat
from scumble.work.outcome import Outcome

__all__ = ["Jobs", "job_of"]

T = TypeVar("T")

NAME = "maker"
SILENT = 5.0
"""Seconds without a step after which "stop now" is offered."""
PACKED = ("still-life", "still-life-fast", "still-life-instruct", "still-life-pixel")
"""Models that come with the package; the first is the usual one."""
OVER = ("done", "failed", "cancelled", "withdrawn")
ROWS_KEPT = 40
"""Finished requests that the page is told of."""


def job_of(row: Row, live: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A ledger's row as the page sees it."""
    labels = row.body.get("labels") or {}
    live = live or {}
    return {
        "id": row.number,
        "edit": labels.get("edit", row.id),
        "k": int(labels.get("k", 0)),
        "count": int(labels.get("count", row.count)),
        "state": row.state if row.state in ("queued", "running", "cancelling", "interrupted", *OVER) else "failed",
        "method": row.body.get("method", ""),
        "prompt": prompt_of(row.body),
        "seed": row.body.get("seed") or 0,
        "picture": labels.get("picture", ""),
        "live": labels.get("live") == "1",
        "stage": live.get("stage", ""),
        "step": live.get("step", 0),
        "steps": live.get("steps", 0),
        "left": live.get("left"),
        "preview": live.get("preview", 0),
        "silent": live.get("silent", False),
        "error": _sentence(row),
        "results": [f"r{row.number}-{k}" for k in range(len(row.files))],
    }


def prompt_of(body: Mapping[str, Any]) -> str:
    """The words of a request, as one line."""
    words = (body.get("parameters") or {}).get("prompt") or ""
    return " | ".join(words) if isinstance(words, list) else str(words)


def _sentence(row: Row) -> str | None:
    if row.state == "interrupted":
        return "the studio ended while it was being made; nothing was half-written"
    if row.state == "cancelled":
        return None
    return None if row.error is None else row.error if row.hint is None else f"{row.error} ({row.hint})"


class Jobs:
    """Runs the queue of one folder.

    Args:
        folder: Where results go; the ledger is in ``.scumble`` inside.
        events: Hears what happens.
        store: Opens what remembers results, once the folder is ours.
        model: The model that is loaded.
        device: Where.
        version: Of Scumble, kept with the run.

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
    ) -> None:
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
        self.paces: list[float] = []
        self.peaks: dict[str, int] = {}
        self.on_model: Callable[[], Any] = lambda: None
        self._options = {"model": model, "device": device}
        self._following = Live()
        self._version = version
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._at: Claim | None = None
        self._worker = 0
        self._asked: tuple[str, Future[Any] | None] | None = None
        self._questions: list[tuple[str, dict[str, Any], Future[Any]]] = []
        self._closing = False
        self._halted: str | None = None
        opened: Future[None] = Future()
        self.thread = threading.Thread(target=self._begin, args=(opened,), name="scumble queue", daemon=True)
        self.thread.start()
        opened.result()
        self.store = store()

    # ---- from any thread

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

    def snapshot(self) -> dict[str, Any]:
        """Jobs, queue and model as the page sees them."""
        return self.call(self._snapshot).result(20)

    # ---- in the queue's thread

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

    def working(self) -> list[int]:
        """Numbers of what runs."""
        return [] if self._at is None else [self._at.number]

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

    # ---- inside

    def _want(self, payload: Mapping[str, Any], future: Future[Any]) -> None:
        self._following.want((payload, future))
        if self._following.at is not None:
            self._crew.cancel(self._following.number)

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
        self._load_first()
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

    def _unfinished(self) -> None:
        """Requests whose end could not be written count as interrupted."""
        lost = [row.number for row in self._ledger.rows("running", "cancelling") if row.number not in self.working()]
        self._ledger.record([Outcome(number, "interrupted") for number in lost])
        for number in lost:
            self.live.pop(number, None)
            self._tell(number)

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
            if (wish := self._following.begin()) is not None:
                self._crew.give(NAME, Task(self._following.number, wish))
            return
        self._at = claim
        self.live[claim.number] = {"began": time.monotonic(), "heard": time.monotonic()}
        payload = {"request": claim.body, "output": claim.output, "folder": str(self.folder)}
        self._crew.give(NAME, Task(claim.number, payload))
        self._tell(claim.number)

    def _hear(self, event: Event) -> None:
        if event.kind == "ready":
            self._worker = self._ledger.begin_worker(NAME, str(event.data.get("device", "")), event.data)
            if self.model["state"] in ("gone", "failed"):
                self._tell_model(state="loading" if self.model["state"] == "gone" else "failed")
                self._load_first()
        elif event.kind == "answer":
            self._answered(event)
        elif event.kind == "progress" and event.number is not None:
            self._progress(event.number, event.data)
        elif event.kind == "preview" and event.number is not None:
            self._preview(event.number, event.data)
        elif event.kind == "finished" and event.number is not None and event.number < 0:
            self._following.finished(event.data)
        elif event.kind == "finished":
            self._finished(event)
        elif event.kind == "died":
            clear_temporaries([self.folder], str(event.data.get("token", "")))
            if self._asked is not None:
                future, self._asked = self._asked[1], None
                if future is not None:
                    future.set_exception(RuntimeError(f"the engine's process ended: {event.data.get('why')}"))
            self._tell_model(state="gone")
        elif event.kind == "left-out":
            self._tell_model(state="failed", error=f"The engine does not start: {event.data.get('why')}")

    def _answered(self, event: Event) -> None:
        if self._asked is None:
            return
        (what, future), self._asked = self._asked, None
        error: Any = event.data.get("error")
        value: Any = event.data.get("value")
        if what == "load":
            if error is not None:
                self._tell_model(state="failed", error=f"The model could not be loaded: {error}")
            else:
                self.takes_text, self.instructs = bool(value["takes_text"]), bool(value["instructs"])
                self.defaults = value["defaults"]
                self.on_model()
                self._tell_model(
                    state="ready",
                    error=None,
                    **{key: value[key] for key in ("name", "device", "milliseconds", "about")},
                )
        if future is not None and not future.done():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(RuntimeError(str(error)))

    def _paced(self, cost: Mapping[str, Any], method: str) -> None:
        """Keep what a row took, all of an edit included, and its memory: the next estimates come from them."""
        rows = int(cost.get("forward") or 0) + int(cost.get("backward") or 0)
        if rows >= 4:
            self.paces = [*self.paces[-7:], float(cost.get("seconds") or 0.0) / rows]
        if cost.get("peak"):
            self.peaks[method] = int(cost["peak"])

    def seconds_for(self, rows: int) -> tuple[float, float] | None:
        """How long these rows will take on this machine, from the paces of before; None: nothing was measured."""
        if self.paces:
            return 0.85 * rows * min(self.paces), 1.3 * rows * max(self.paces) + 0.2
        milliseconds = self.model.get("milliseconds")
        return None if not milliseconds else (0.7 * rows * milliseconds / 1000, 2 * rows * milliseconds / 1000 + 0.3)

    def busy(self) -> bool:
        """Whether the maker has no time for a question now."""
        return self._at is not None or self.model["state"] != "ready"

    def _progress(self, number: int, data: Mapping[str, Any]) -> None:
        now = time.monotonic()
        live = self.live.setdefault(number, {"began": now})
        if data.get("stage") != live.get("stage"):
            live["stage_began"], live["first"] = now, data.get("step", 0)
            if self.model["state"] == "gone" and data.get("stage") == "load":
                self._tell_model(state="loading")
        live.update(
            stage=data.get("stage", ""), step=data.get("step", 0), steps=data.get("steps", 0), heard=now, silent=False
        )
        done = live["step"] - live.get("first", 0)
        live["left"] = None
        if done > 0 and live["steps"] > 1:
            pace = (now - live["stage_began"]) / done
            left = pace * (live["steps"] - live["step"])
            live["left"] = [round(0.8 * left, 2), round(1.15 * left, 2)]
        if self.model["state"] == "loading" and live["stage"] not in ("load", ""):
            self.load_quietly()
        shown = {key: live[key] for key in ("stage", "step", "steps", "left", "silent")}
        self.events.publish("progress", {"id": number, **shown})

    def load_quietly(self) -> None:
        """The model was loaded on the way to an edit: ask what it is, after the edit."""
        self._load_first()
        self._tell_model(state="ready")

    def _preview(self, number: int, data: Mapping[str, Any]) -> None:
        live = self.live.setdefault(number, {})
        live["preview"] = live.get("preview", 0) + 1
        live["heard"] = time.monotonic()
        self.jpegs[number] = data["jpeg"]
        self.events.publish("progress", {"id": number, "preview": live["preview"]})

    def _watch_silence(self) -> None:
        if self._at is None:
            return
        live = self.live.get(self._at.number)
        if live and not live.get("silent") and time.monotonic() - live.get("heard", 0.0) > SILENT:
            live["silent"] = True
            self.events.publish("progress", {"id": self._at.number, "silent": True})

    def _finished(self, event: Event) -> None:
        if self._at is None or event.number != self._at.number:
            return
        claim, self._at = self._at, None
        outcome = outcome_of_event(claim.number, event.data, self.folder)
        row = self._ledger.record([outcome])[0]
        if outcome.kind == "done":
            durable({(self.folder / one.path).parent for one in outcome.files})
            self._paced(outcome.cost, str(row.body.get("method")))
            if (milliseconds := event.data.get("milliseconds")) is not None:
                self._tell_model(milliseconds=milliseconds)
            for k, shown in enumerate(event.data.get("shown", ())):
                self._result(row, k, shown, str(outcome.files[k].path))
        elif outcome.kind == "no-space":
            self._ledger.pause(f"the disk is full: make room, then go on ({outcome.error})")
            self._tell_queue()
        self.live.pop(claim.number, None)
        self.jpegs.pop(claim.number, None)
        self._tell(claim.number)

    def _result(self, row: Row, k: int, shown: Mapping[str, Any], path: str) -> None:
        labels = row.body.get("labels") or {}
        body = {
            "edit": labels.get("edit", row.id),
            "job": row.number,
            "k": int(labels.get("k", 0)) + k,
            "file": path,
            "method": row.body.get("method", ""),
            "prompt": prompt_of(row.body),
            "picture": labels.get("picture", ""),
            "map": labels.get("map") or None,
            "command": labels.get("command", ""),
            "model": (row.body.get("model") or {}).get("name"),
            **shown,
        }
        self.events.publish("result", self.store.keep_result(f"r{row.number}-{k}", row.number, body))

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
