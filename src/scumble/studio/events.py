"""What happens, as a numbered stream: each tab follows from the number up to which it knows everything."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

__all__ = ["Events"]

KEPT = 1000
QUIET = 15.0
"""Seconds after which a comment shows that the stream is alive."""


class Events:
    """A ring of the last events, published from any thread, followed from the server's loop."""

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[tuple[int, str]] = deque(maxlen=kept)
        self._guard = threading.Lock()
        self._followers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self.sequence = 0
        self.closed = False

    @property
    def watched(self) -> bool:
        """Whether any tab is looking."""
        return bool(self._followers)

    def publish(self, kind: str, data: Any) -> int:
        """Add an event and wake those who follow; returns its number."""
        with self._guard:
            self.sequence += 1
            text = json.dumps({"sequence": self.sequence, "kind": kind, "data": data}, ensure_ascii=False)
            self._ring.append((self.sequence, text))
            followers = list(self._followers.items())
        for bell, loop in followers:
            _ring(bell, loop)
        return self.sequence

    def since(self, number: int) -> list[tuple[int, str]] | None:
        """Events after ``number``; None when some of them are forgotten already, or the number is not ours."""
        with self._guard:
            oldest = self._ring[0][0] if self._ring else self.sequence + 1
            if number > self.sequence or number < oldest - 1:
                return None
            return [pair for pair in self._ring if pair[0] > number]

    async def follow(self, number: int) -> AsyncIterator[str]:
        """Yield server-sent events after ``number`` for as long as the tab stays."""
        bell = asyncio.Event()
        with self._guard:
            self._followers[bell] = asyncio.get_running_loop()
        try:
            yield ": here\n\n"
            while not self.closed:
                bell.clear()
                due = self.since(number)
                if due is None:
                    yield 'data: {"sequence": 0, "kind": "stale", "data": null}\n\n'
                    return
                for number, text in due:
                    yield f"id: {number}\ndata: {text}\n\n"
                try:
                    await asyncio.wait_for(bell.wait(), QUIET)
                except TimeoutError:
                    yield ": quiet\n\n"
        finally:
            with self._guard:
                self._followers.pop(bell, None)

    def close(self) -> None:
        """Let all streams end."""
        self.closed = True
        with self._guard:
            followers = list(self._followers.items())
        for bell, loop in followers:
            _ring(bell, loop)


def _ring(bell: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.call_soon_threadsafe(bell.set)
    except RuntimeError:  # the loop ended with the server
        return
