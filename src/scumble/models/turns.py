"""One run at a time on a network: whoever shares it waits for its turn."""

from __future__ import annotations

import threading
from types import TracebackType
from weakref import WeakKeyDictionary

from torch import nn

__all__ = ["Turn", "turn_of"]


class Turn:
    """The lock of one network, a context manager. The thread that has it may enter again (a preview in a callback)."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    @property
    def taken(self) -> bool:
        """Whether a run is going on."""
        return self._depth > 0

    def __enter__(self) -> Turn:
        self._lock.acquire()
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        self._lock.release()


_turns: WeakKeyDictionary[nn.Module, Turn] = WeakKeyDictionary()
_registering = threading.Lock()


def turn_of(network: nn.Module) -> Turn:
    """Return the lock of a network object: one for all models and editors around it, none for copies of it."""
    with _registering:
        return _turns.setdefault(network, Turn())
