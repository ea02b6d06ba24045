"""What is made or loaded once for an edit, however many batches it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["once"]

Made = TypeVar("Made")


def once(shared: dict[str, Any], key: str, make: Callable[[], Made]) -> Made:
    """Return what `shared` (``batch.shared``) has under `key`; where it has nothing, make it and keep it there."""
    if key not in shared:
        shared[key] = make()
    made: Made = shared[key]
    return made
