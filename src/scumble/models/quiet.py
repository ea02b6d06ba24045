"""Loading without the progress bars that diffusers and transformers draw for every file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["without_progress_bars"]


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Switch the bars of both libraries off; their own settings come back."""
    import diffusers.utils.logging
    import transformers.utils.logging

    both: tuple[Any, Any] = (diffusers.utils.logging, transformers.utils.logging)
    shown = [library for library in both if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
