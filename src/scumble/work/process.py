"""What runs in a worker's process: it listens, does one task after the other, and ends with its driver."""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scumble.errors import CancelledError, CheckpointError, MemoryLimitError, ScumbleError

__all__ = ["job_from", "outcome_of", "serve"]

EVERY = 0.25
"""Seconds between two pieces of progress at least."""
FULL = 28, 30, 122
"""ENOSPC, EROFS, EDQUOT: trouble of the disk, not of the request."""
LOG_LIMIT = 10 * 1024 * 1024


def serve(pipe: Connection, batch: str, options: Mapping[str, Any], log: str | None, lock: str | None) -> None:
    """Work until the other end of the pipe closes or says ``leave``."""
    _quietly(log)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; it is for the driver alone
    _die_with_parent()
    worker = _Listening(pipe)
    try:
        shared = _shared(lock)
        doing = job_from(batch, options)
    except BaseException as error:  # whatever it is, the driver has to hear it
        worker.send({"kind": "unable", "data": {"why": _line(error)}})
        traceback.print_exc()
        return
    worker.send({"kind": "ready", "data": dict(doing.about)})
    while (message := worker.next()) is not None:
        if message["kind"] == "make":
            worker.finished(message["number"], _made(doing, message, worker))
        elif message["kind"] == "join":
            _quietly(message["log"])
            shared = _shared(message["lock"])
        else:
            worker.send({"kind": "answer", "data": _answered(doing, message)})
    worker.send({"kind": "bye"})
    del shared


def _shared(lock: str | None) -> Any:
    if lock is None:
        return None
    from scumble.work.lock import share

    return share(Path(lock))


def job_from(name: str, options: Mapping[str, Any]) -> Any:
    """Make what runs in a worker from ``module:Class``."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)(**options)


class _Listening:
    """The worker's end of the pipe. A thread of its own hears a cancel while the work goes on."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._sending = pipe, threading.Lock()
        self._due: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stopped: set[int] = set()
        self._last = 0.0
        self.at: int | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while (message := self._pipe.recv())["kind"] != "leave":
                if message["kind"] == "cancel":
                    self._stopped.add(message["number"])
                else:
                    self._due.put(message)
        except (EOFError, OSError):
            os._exit(1)  # the driver is gone, or has closed its end: nobody waits for what is being made
        self._due.put(None)

    def next(self) -> dict[str, Any] | None:
        message = self._due.get()
        self.at = None if message is None else message.get("number")
        return message

    def cancelled(self, number: int | None = None) -> bool:
        return (self.at if number is None else number) in self._stopped

    def tell(self, kind: str, number: int | None = None, **data: Any) -> None:
        if kind == "progress":
            now = time.monotonic()
            if now - self._last < EVERY and data.get("step") != data.get("steps"):
                return
            self._last = now
        self.send({"kind": kind, "number": self.at if number is None else number, "data": data})

    def finished(self, number: int, data: Mapping[str, Any]) -> None:
        self.at = None
        self.send({"kind": "finished", "number": number, "data": dict(data)})

    def send(self, message: dict[str, Any]) -> None:
        try:
            with self._sending:
                self._pipe.send(message)
        except OSError:
            os._exit(1)


def _made(doing: Any, message: Mapping[str, Any], worker: _Listening) -> dict[str, Any]:
    try:
        return dict(doing.make(message["payload"], worker.tell, worker.cancelled))
    except Exception as error:
        print(f"request {message['number']}:", file=sys.stderr)
        traceback.print_exc()
        sys.stderr.flush()
        return outcome_of(error)


def outcome_of(error: BaseException) -> dict[str, Any]:
    """What an exception in a worker means for its request: ``outcome``, ``error``, ``hint``, ``passing``."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL:
            return {"outcome": "no-space", "error": _line(cause)}
        cause = cause.__cause__
    if isinstance(error, CancelledError):
        return {"outcome": "cancelled", "error": None}
    if isinstance(error, MemoryLimitError | MemoryError):
        return {"outcome": "out-of-memory", "error": _line(error), "hint": "use a smaller picture or fewer candidates"}
    passing = isinstance(error, OSError) and not isinstance(error, FileNotFoundError | PermissionError)
    end = {"outcome": "raised", "error": _line(error), "passing": passing}
    if isinstance(error, CheckpointError):
        end["loading"] = True
    if not isinstance(error, ScumbleError):
        last = traceback.extract_tb(error.__traceback__)[-1]
        end["hint"] = (
            f"at {Path(last.filename).name}:{last.lineno} in {last.name}; the worker's log has the whole of it"
        )
    return end


def _answered(doing: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"what": message["kind"], "value": doing.ask(message["kind"], message["payload"])}
    except Exception as error:
        traceback.print_exc()
        return {"what": message["kind"], "error": _line(error)}


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ScumbleError) and text else f"{type(error).__name__}: {text}"


def _quietly(log: str | None) -> None:
    """Let all that libraries print go to the worker's log, so that it disturbs nobody's terminal."""
    target = os.devnull if log is None else log
    with contextlib.suppress(OSError):
        if log is not None and os.path.exists(log) and os.path.getsize(log) > LOG_LIMIT:  # noqa: PTH110, PTH202
            os.replace(log, f"{log}.old")  # noqa: PTH105
    file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _die_with_parent() -> None:
    """On Linux let the kernel end this process when its parent is gone, even from within a call that never returns."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
