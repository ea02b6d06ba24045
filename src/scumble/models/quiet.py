"""Loading without the progress bars that diffusers and transformers draw, and without what diffusers warns of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["without_progress_bars", "without_warnings"]


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


@contextmanager
def without_warnings() -> Iterator[None]:
    """Let diffusers warn of nothing: what it would warn of is checked by who calls it."""
    from diffusers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
