"""Values that an edit computes or loads once for all its batches and windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

__all__ = ["Cache", "Key"]

T = TypeVar("T")


@dataclass(frozen=True)
class Key(Generic[T]):
    """Name of something of type T in a :class:`Cache`.

    Attributes:
        name: What it is, and everything it depends on but the image.
        everywhere: Whether it is the same for every window of the image (a judge, a direction); what is made of the
            image's pixels (its latent, its inversion) is not.
    """

    name: str
    everywhere: bool = False


class Cache:
    """Values by key, for one window of an image.

    Args:
        known: Values that are there from the beginning.
    """

    def __init__(self, known: Mapping[Key[Any], object] | None = None) -> None:
        self._values: dict[Key[Any], object] = {}
        self._everywhere: dict[Key[Any], object] = {}
        for key, value in (known or {}).items():
            self.put(key, value)

    def __contains__(self, key: Key[Any]) -> bool:
        """Whether there is a value under this key."""
        return key in self._of(key)

    def get_or_make(self, key: Key[T], make: Callable[[], T]) -> T:
        """Return the value under a key; where there is none, make it and keep it."""
        values = self._of(key)
        if key not in values:
            values[key] = make()
        return cast(T, values[key])

    def put(self, key: Key[T], value: T) -> None:
        """Keep a value, in place of one that is there."""
        self._of(key)[key] = value

    def for_window(self) -> Cache:
        """Return an empty cache for another window, which shares what is the same everywhere."""
        other = Cache()
        other._everywhere = self._everywhere
        return other

    def _of(self, key: Key[Any]) -> dict[Key[Any], object]:
        return self._everywhere if key.everywhere else self._values
