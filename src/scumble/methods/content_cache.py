"""Results by the hash of all that decides them: bounded, shared by several edits, with what they cost."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor

from scumble.errors import InputError

__all__ = ["ContentCache"]


@dataclass(frozen=True)
class _Entry:
    value: object
    rows: int
    size: int


class ContentCache:
    """Encoded pictures and inversions by the hash of all that decides them; the least recently used goes first.

    What it gives is what would be computed, to the last bit. Several editors may share one.

    Args:
        entries: The most that it holds.
        megabytes: The most memory that they take (of the device that computed them).

    Raises:
        InputError: If a bound is negative.
    """

    def __init__(self, entries: int = 64, megabytes: float = 256) -> None:
        if entries < 0 or megabytes < 0:
            raise InputError(f"bounds of a cache must be 0 or more, got {entries} entries and {megabytes:g} megabytes")
        self.entries, self.megabytes, self.bytes = entries, megabytes, 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._entries)

    def __repr__(self) -> str:
        """How full it is."""
        return f"<ContentCache: {len(self)} of {self.entries}, {self.bytes / 1e6:.1f} of {self.megabytes:g} megabytes>"

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.bytes = 0

    def find(self, key: str) -> tuple[object, int] | None:
        """Return a value and the rows of the network that it cost, or None.

        Args:
            key: Hash of all that decides the value, in hex.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry.value, entry.rows

    def keep(self, key: str, value: object, rows: int) -> None:
        """Keep a value; what does not fit into the bounds is not kept.

        Args:
            key: Hash of all that decides the value, in hex.
            value: Tensors, or what holds them.
            rows: Rows of the network that it cost.
        """
        size = _bytes_of(value)
        with self._lock:
            if size > 1e6 * self.megabytes or self.entries == 0:
                return
            before = self._entries.pop(key, None)
            self.bytes += size - (0 if before is None else before.size)
            self._entries[key] = _Entry(value, rows, size)
            while len(self._entries) > self.entries or self.bytes > 1e6 * self.megabytes:
                self.bytes -= self._entries.popitem(last=False)[1].size


def _bytes_of(value: object) -> int:
    held = [value] if isinstance(value, Tensor) else getattr(value, "__dict__", {}).values()
    return sum(one.untyped_storage().nbytes() for one in held if isinstance(one, Tensor))
