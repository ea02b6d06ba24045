"""The edit that follows the brush: one is being made, only the newest waits, and what is overtaken stops."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Live", "Overtaken"]


class Overtaken(Exception):
    """A newer edit, or one that is to be kept, has taken the place of this one."""


Wish = tuple[Mapping[str, Any], Future[Any]]


@dataclass
class Live:
    """What is wanted and what is being made; used by the queue's thread alone.

    Attributes:
        wanted: The newest wish that has not begun.
        at: The future of the one that is being made.
        number: Its number: below 0, so that no request of the ledger has it.
    """

    wanted: Wish | None = None
    at: Future[Any] | None = None
    number: int = field(default=0)

    def want(self, wish: Wish) -> None:
        """Put a wish in the place of the one that waited."""
        if self.wanted is not None:
            _refuse(self.wanted[1], "a newer one was asked for")
        self.wanted = wish

    def begin(self) -> Mapping[str, Any] | None:
        """Take the wish that waits, under a new number; None: nothing does."""
        while self.wanted is not None:
            (payload, future), self.wanted = self.wanted, None
            if future.set_running_or_notify_cancel():
                self.at, self.number = future, self.number - 1
                return payload
        return None

    def finished(self, data: Mapping[str, Any]) -> None:
        """Answer with what came of it."""
        future, self.at = self.at, None
        if future is None:
            return
        if "jpeg" in data:
            future.set_result(data["jpeg"])
        elif data.get("outcome") == "cancelled":
            _refuse(future, "a newer one was asked for", running=True)
        else:
            future.set_exception(RuntimeError(str(data.get("error") or "the engine's process ended")))


def _refuse(future: Future[Any], why: str, running: bool = False) -> None:
    if running or future.set_running_or_notify_cancel():
        future.set_exception(Overtaken(why))
