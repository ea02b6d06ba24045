"""The desk's process seen from the server: questions in, answers out, one after the other, begun anew when it dies."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.work.local import LocalCrew, Seat

__all__ = ["Engine"]

NAME = "desk"


class Engine:
    """Asks the desk from any thread; every question gets a future.

    Args:
        logs: Folder for its log.
        options: What the desk is made with: where it finds the bundled scenes.
    """

    def __init__(self, logs: Path, options: Mapping[str, str]) -> None:
        self._crew = LocalCrew("scumble.studio.desk:Desk", [Seat(NAME, options)], logs=logs)
        self._due: queue.SimpleQueue[tuple[str, Mapping[str, Any], Future[Any]]] = queue.SimpleQueue()
        self._at: Future[Any] | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="scumble desk", daemon=True)
        self._thread.start()

    def ask(self, what: str, **data: Any) -> Future[Any]:
        """Ask the desk; the future fails with an InputError that holds its sentence."""
        future: Future[Any] = Future()
        self._due.put((what, data, future))
        self._crew.wake()
        return future

    def close(self) -> None:
        """End the desk."""
        self._closing = True
        self._crew.wake()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._closing:
            if self._at is None and self._crew.idle() and not self._due.empty():
                what, data, future = self._due.get()
                if future.set_running_or_notify_cancel():
                    self._at = future
                    self._crew.ask(NAME, what, dict(data))
            for event in self._crew.wait(60.0):
                if event.kind == "answer" and self._at is not None:
                    future, self._at = self._at, None
                    error = event.data.get("error")
                    if error is None:
                        future.set_result(event.data.get("value"))
                    else:
                        future.set_exception(InputError(str(error)))
                elif event.kind in ("died", "left-out") and self._at is not None:
                    future, self._at = self._at, None
                    future.set_exception(InputError(f"the engine's process ended ({event.data.get('why')}); try again"))
        self._crew.close()
        while not self._due.empty():
            self._due.get()[2].cancel()
        if self._at is not None:
            self._at.cancel()
