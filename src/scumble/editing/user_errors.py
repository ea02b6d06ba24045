"""Errors of a run as users understand them: out of memory, stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from scumble.core.loop import Stopped
from scumble.errors import CancelledError, MemoryLimitError
from scumble.images import Window

if TYPE_CHECKING:
    from scumble.editing.result import Result


__all__ = ["stopped", "user_errors"]


def stopped(partial: Result | None) -> CancelledError:
    """The error of a stopped edit, with the candidates that were finished."""
    error = CancelledError("stopped on request; nothing was written")
    error.partial = partial
    return error


@contextmanager
def user_errors(count: int, window: Window) -> Iterator[None]:
    """Turn a stop and an exhausted device into errors that say what to do."""
    try:
        yield
    except Stopped as error:
        raise stopped(None) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MemoryLimitError(_memory_advice(count, window)) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "out of memory" in str(error):
            raise MemoryLimitError(_memory_advice(count, window)) from error
        raise


def _memory_advice(count: int, window: Window) -> str:
    width, height = window.size
    return (
        f"out of memory at {width}x{height} with {count} pictures at once: lower --batch-size"
        " (or batch_size=), use a smaller picture, or --dtype float16 on a GPU"
    )
