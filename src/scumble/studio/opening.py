"""The page comes first: what takes both cores begins once a page has what it shows, or when nobody opens one."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Opening"]

SHOWN = 0.5
"""Seconds from a page's first question until it has its picture."""
NOBODY = 3.0
"""Seconds after which nobody opens a page."""


class Opening:
    """Holds back what is not needed for the first picture; used from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._then: list[Callable[[], object]] | None = []

    def after(self, what: Callable[[], object]) -> None:
        """Do something once the page is shown: at once where it is already."""
        with self._guard:
            if self._then is not None:
                self._then.append(what)
                return
        what()

    def begin(self) -> None:
        """Begin to wait for a page."""
        self._later(NOBODY)

    def asked(self) -> None:
        """A page asks for what it shows."""
        if self._then is not None:
            self._later(SHOWN)

    def done(self) -> None:
        """Do what was held back, once."""
        with self._guard:
            due, self._then = self._then or [], None
        for what in due:
            what()

    def _later(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self.done)
        timer.daemon = True
        timer.start()
