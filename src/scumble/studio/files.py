"""Writing bytes so that a file is either whole or not there at all."""

from __future__ import annotations

from pathlib import Path

from scumble.files import atomic_write

__all__ = ["write_bytes"]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole.

    Raises:
        InputError: If the disk does not take it.
    """
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(data)
