"""Results of one edit that the next one of the same picture needs again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from scumble.core.cost import Cost
from scumble.methods.content_cache import ContentCache

__all__ = ["Reuse"]

T = TypeVar("T")


@dataclass(frozen=True)
class Reuse:
    """One edit's way to a cache.

    Attributes:
        cache: The cache; None: there is none.
        adds: Whether what this edit makes is kept.
    """

    cache: ContentCache | None = None
    adds: bool = True

    def get_or_make(self, what: str, key: Callable[[], str | None], make: Callable[[], T], cost: Cost) -> T:
        """Return what the cache has, or make it and keep it.

        Args:
            what: What it is; ``cost.reused`` says it.
            key: Gives the hash of all that decides it; None: it cannot be known, and is made.
            make: Makes it; what that adds to ``cost`` is what the next edit saves.
            cost: Running totals.
        """
        name = None if self.cache is None else key()
        if self.cache is None or name is None:
            return make()
        there = self.cache.find(name)
        if there is not None:
            cost.reused[what] = cost.reused.get(what, 0) + there[1]
            return cast("T", there[0])
        before = cost.forward_rows + cost.backward_rows
        value = make()
        if self.adds:
            self.cache.keep(name, value, cost.forward_rows + cost.backward_rows - before)
        return value
