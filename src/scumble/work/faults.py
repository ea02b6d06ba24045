"""Places where a test may let a process die as if it were killed; without ``SCUMBLE_FAULT`` they do nothing."""

from __future__ import annotations

import os
import signal

__all__ = ["at"]

_FAULT = os.environ.get("SCUMBLE_FAULT", "")
_passed: dict[str, int] = {}


def at(name: str) -> None:
    """Kill this process when ``SCUMBLE_FAULT`` is ``name:n`` and this is the n-th time it comes by."""
    if not _FAULT.startswith(f"{name}:"):
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(_FAULT.partition(":")[2]):
        os.kill(os.getpid(), signal.SIGKILL)
