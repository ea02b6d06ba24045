"""Workers on this machine: one spawned process each, one pipe each, nothing shared that a killed one could block."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any

from scumble.interrupts import interrupts_blocked
from scumble.work.crew import Event, Task
from scumble.work.process import serve

__all__ = ["LocalCrew", "Seat"]

DEATHS = 3
"""So many deaths in a row while it starts or loads a model, and a seat is left out."""
STARTING = 600.0
"""Seconds without a word while a worker starts or loads a model."""
SILENCE = 120.0
"""Seconds without a word during a task, at least; else twenty times the longest gap so far."""


@dataclass(frozen=True)
class Seat:
    """A place for a worker.

    Attributes:
        name: What it is called in the ledger and its log.
        options: What its job is made with (device, threads).
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Worker:
    seat: Seat
    token: str
    process: Any = None
    pipe: Connection | None = None
    ready: bool = False
    loading: bool = True
    task: Task | None = None
    began: float = 0.0
    heard: float = 0.0
    gap: float = 0.0
    ending: str | None = None
    ends: float | None = None
    deaths: int = 0
    again_at: float = 0.0
    left_out: bool = False


class LocalCrew:
    """A :class:`~scumble.work.crew.Crew` of processes.

    Each worker makes one task at a time. One that dies is replaced and its task reported as ``crashed``; one that says
    nothing for too long, or takes longer than its task's limit, is asked to stop, then ended, then replaced.

    Args:
        job: ``module:Class`` of the :class:`~scumble.work.crew.WorkerJob`.
        seats: One worker each.
        logs: Folder for ``worker-NAME.log``; None: what workers print is thrown away.
        lock: Folder whose workers' lock each worker holds.
        silence: Seconds without a word after which a worker counts as hanging; None: 20 times its longest gap, at
            least 120.
        grace: Seconds between asking a worker to stop and ending it.
    """

    def __init__(
        self,
        batch: str,
        seats: Sequence[Seat],
        *,
        logs: Path | None = None,
        lock: Path | None = None,
        silence: float | None = None,
        grace: float = 5.0,
    ) -> None:
        self.job, self.logs, self.lock, self.silence, self.grace = batch, logs, lock, silence, grace
        self._context = multiprocessing.get_context("spawn")
        self._workers = {seat.name: _Worker(seat, secrets.token_hex(4)) for seat in seats}
        self._pending: list[Event] = []
        self._guard = threading.RLock()
        self._waker, self._bell = os.pipe()
        for worker in self._workers.values():
            self._start(worker)

    def idle(self) -> list[str]:
        """Names of workers that are ready for a task."""
        return [name for name, one in self._workers.items() if one.ready and one.task is None and one.ending is None]

    def alive(self) -> int:
        """How many workers live, start, or will be started again."""
        return sum(not one.left_out for one in self._workers.values())

    def give(self, worker: str, task: Task) -> None:
        """Give an idle worker a task."""
        one = self._workers[worker]
        now = time.monotonic()
        one.task, one.began, one.heard, one.gap = task, now, now, 0.0
        self._send(one, {"kind": "make", "number": task.number, "payload": dict(task.payload)})

    def ask(self, worker: str, what: str, data: Any) -> None:
        """Ask an idle worker something; its answer comes as an event ``answer``."""
        self._workers[worker].heard = time.monotonic()
        self._send(self._workers[worker], {"kind": what, "payload": data})

    def join(self, logs: Path, lock: Path) -> None:
        """Let the workers write their logs to this folder and hold this folder's workers' lock from now on."""
        self.logs, self.lock = logs, lock
        for one in self._workers.values():
            self._send(one, {"kind": "join", "log": self._log(one), "lock": str(lock)})

    def cancel(self, number: int, ending: str = "cancelled") -> None:
        """Let whoever is at this task stop at its next step; after the grace its process is ended.

        One of a group stops, too, but no process is ended for it: the others go on.
        """
        for one in self._workers.values():
            if one.task is not None and number in one.task.members:
                self._send(one, {"kind": "cancel", "number": number})  # the others of its group go on
            elif one.task is not None and one.task.number == number and one.ending is None:
                self._end(one, one.task, ending)
        self.wake()

    def end_now(self, number: int) -> None:
        """End the process that is at this task at once, and start another in its place."""
        with self._guard:
            for one in self._workers.values():
                if one.task is not None and one.task.number == number:
                    one.ending, one.ends = one.ending or "cancelled", 0.0
        self.wake()

    def replace(self, worker: str) -> None:
        """Begin an idle worker anew: for a process that has grown, or a device that has had an error."""
        one = self._workers[worker]
        one.ready, one.ending = False, "replaced"
        self._send(one, {"kind": "leave"})

    def wake(self) -> None:
        """Let :meth:`wait` return now, from whatever thread."""
        with contextlib.suppress(OSError):
            os.write(self._bell, b".")

    def wait(self, timeout: float) -> list[Event]:
        """What workers said and what happened to them since, waiting at most ``timeout`` seconds for it."""
        self._look_after()
        if not self._pending:
            lines: dict[Any, _Worker | None] = {self._waker: None}
            for worker in self._workers.values():
                if worker.pipe is not None:
                    lines[worker.pipe] = lines[worker.process.sentinel] = worker
            ready = wait(list(lines), self._until(timeout))
            if self._waker in ready:
                os.read(self._waker, 4096)
            spoke = {one.seat.name: one for one in (lines[line] for line in ready) if one is not None}
            for worker in spoke.values():
                self._hear(worker)
            self._look_after()
        events, self._pending = self._pending, []
        return events

    def stop(self, patience: float = 0.0) -> None:
        """End all workers: idle ones are asked to leave, those at work get ``patience`` seconds, then none is left."""
        living = [one for one in self._workers.values() if one.process is not None and one.process.is_alive()]
        for one in living:
            if one.task is not None and patience > 0:
                self._send(one, {"kind": "cancel", "number": one.task.number})
            self._send(one, {"kind": "leave"})
        until = time.monotonic() + max(patience, 1.0 if all(one.task is None for one in living) else 0.0)
        while (left := [one for one in living if one.process.is_alive()]) and time.monotonic() < until:
            wait([one.process.sentinel for one in left], max(0.0, until - time.monotonic()))
        for one in self._workers.values():
            one.left_out = True
            self._bury(one)

    def close(self) -> None:
        """End all workers at once and give back what the crew holds."""
        self.stop()
        for line in (self._waker, self._bell):
            with contextlib.suppress(OSError):
                os.close(line)
        self._waker = self._bell = -1

    # ------------------------------------------------------------------ inside

    def _start(self, worker: _Worker) -> None:
        mine, its = self._context.Pipe()
        worker.token = secrets.token_hex(4)
        lock, log = None if self.lock is None else str(self.lock), self._log(worker)
        given = (its, self.job, {**worker.seat.options, "token": worker.token}, log, lock)
        worker.process = self._context.Process(
            target=serve, args=given, daemon=True, name=f"scumble {worker.seat.name}"
        )
        with _plain_main(), interrupts_blocked():
            worker.process.start()
        its.close()  # else the end of the child would never be seen
        worker.pipe, worker.ready, worker.loading, worker.task = mine, False, True, None
        worker.ending, worker.ends, worker.heard = None, None, time.monotonic()

    def _log(self, worker: _Worker) -> str | None:
        if self.logs is None:
            return None
        self.logs.mkdir(parents=True, exist_ok=True)
        return str(self.logs / f"worker-{worker.seat.name.replace(':', '-')}.log")

    def _send(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        with self._guard, contextlib.suppress(OSError):  # a dead worker is noticed by its sentinel
            if worker.pipe is not None:
                worker.pipe.send(message)

    def _until(self, timeout: float) -> float:
        """Seconds until the next deadline, at most ``timeout``."""
        now, times = time.monotonic(), [timeout]
        for one in self._workers.values():
            if one.ends is not None:
                times.append(one.ends - now)
            elif one.pipe is None and not one.left_out:
                times.append(one.again_at - now)
            elif (deadline := self._deadline(one)) is not None:
                times.append(deadline - now)
        return max(0.0, min(times))

    def _deadline(self, worker: _Worker) -> float | None:
        if worker.pipe is None or (worker.task is None and worker.ready):
            return None
        if worker.loading or worker.task is None:
            return worker.heard + STARTING
        silent = worker.heard + (self.silence or max(SILENCE, 20 * worker.gap))
        limit = worker.task.time_limit
        return silent if limit is None else min(worker.began + limit, silent)

    def _hear(self, worker: _Worker) -> None:
        """Read all that a worker sent; then see whether it lives."""
        pipe, ended = worker.pipe, False
        if pipe is None:
            return
        try:
            while pipe.poll():
                self._take(worker, pipe.recv())
        except (EOFError, OSError):  # a message that was cut off means the same as a death
            ended = True
        if ended or not worker.process.is_alive():
            self._died(worker)

    def _take(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        kind, number, data = message["kind"], message.get("number"), message.get("data") or {}
        now = time.monotonic()
        worker.gap, worker.heard = max(worker.gap, now - worker.heard), now
        name = worker.seat.name
        if kind == "unable":
            worker.ending = str(data["why"])
            return
        if kind == "bye":
            return
        if kind == "ready":
            worker.ready, worker.loading = True, False
        elif kind in ("loading", "loaded"):
            worker.loading = kind == "loading"
            worker.deaths = worker.deaths if worker.loading else 0
        elif kind == "finished":
            worker.deaths, worker.loading = 0, False
            if worker.ending is not None and data.get("outcome") == "cancelled":
                data = {**data, "outcome": worker.ending, "error": self._why(worker)}
            worker.task, worker.ending, worker.ends = None, None, None
        self._pending.append(Event(name, kind, number, data))

    def _look_after(self) -> None:
        """Stop what takes too long, end what does not stop, and begin again in the place of what died."""
        now = time.monotonic()
        for one in self._workers.values():
            if one.pipe is None:
                if not one.left_out and now >= one.again_at:
                    self._start(one)
            elif one.ends is not None:
                if now >= one.ends:
                    self._kill(one)
            elif (deadline := self._deadline(one)) is not None and now >= deadline:
                if one.task is None or one.loading:
                    one.ending = one.ending or "timed-out"
                    self._kill(one)
                else:
                    self._end(one, one.task, "timed-out")

    def _end(self, worker: _Worker, task: Task, ending: str) -> None:
        with self._guard:
            worker.ending, worker.ends = ending, time.monotonic() + self.grace
        for number in task.members or (task.number,):
            self._send(worker, {"kind": "cancel", "number": number})

    def _kill(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join(5.0)
        self._hear(worker)

    def _died(self, worker: _Worker) -> None:
        worker.process.join(5.0)
        task, why, name = worker.task, self._why(worker), worker.seat.name
        number = None if task is None else task.number
        data = {"why": why, "task": number, "token": worker.token}
        worker.deaths += worker.loading or (task is None and worker.ending != "replaced")
        if task is not None:
            outcome = worker.ending or "crashed"
            if worker.loading and outcome == "crashed":
                outcome = "lost"  # the request has not begun: it is the model or the machine
            elif outcome == "interrupted":
                why = ""
            self._pending.append(Event(name, "finished", task.number, {"outcome": outcome, "error": why or None}))
        self._bury(worker)
        worker.again_at = time.monotonic() + (min(60.0, 2.0 ** (worker.deaths - 1)) if worker.deaths else 0.0)
        if worker.ending != "replaced":
            self._pending.append(Event(name, "died", number, data))
        worker.ending = None
        if worker.deaths >= DEATHS:
            worker.left_out = True
            self._pending.append(Event(name, "left-out", None, {"why": why}))

    def _bury(self, worker: _Worker) -> None:
        if worker.process is not None and worker.process.is_alive():
            worker.process.kill()
            worker.process.join(5.0)
        if worker.pipe is not None:
            worker.pipe.close()
        worker.pipe, worker.ready, worker.task, worker.ends = None, False, None, None

    def _why(self, worker: _Worker) -> str:
        if worker.ending == "timed-out":
            limit = None if worker.task is None else worker.task.time_limit
            late = limit is not None and time.monotonic() - worker.began >= limit
            return f"took longer than its limit of {limit:g} s" if late else "said nothing for too long and was ended"
        if worker.ending in ("cancelled", "interrupted"):
            return ""
        if worker.ending is not None:
            return worker.ending
        code = worker.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
                more = ", most likely the system's memory limit" if name == "SIGKILL" else ""
                return f"the worker was ended by signal {-code} ({name}){more}"
        return f"the worker ended by itself with code {code}"


@contextlib.contextmanager
def _plain_main() -> Iterator[None]:
    """Let a child not import the caller's script again, which need not have a guard (or be a file at all)."""
    before = sys.modules.get("__main__")
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        if before is not None:
            sys.modules["__main__"] = before
