"""A lock on a folder that ends with the process that holds it, so that there are never stale ones."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import IO, Any

from scumble.errors import InputError

__all__ = ["FolderLock", "holder", "share", "wait_for_workers"]


def _lock(file: IO[Any], exclusive: bool) -> bool:
    """Take the lock if it is free; whether it was."""
    if sys.platform == "win32":
        import msvcrt

        try:
            file.seek(1 << 20)  # behind the text, so that others can read who has it
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _soon(file: IO[Any], patience: float = 0.5) -> bool:
    """Take the lock, waiting out those who only look whether it is taken."""
    until = time.monotonic() + patience
    while not _lock(file, exclusive=True):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


class FolderLock:
    """The exclusive lock of the one process that may write a folder's ledger.

    Args:
        folder: The folder ``.scumble`` of the results.
        what: What that process is, for those who come too late ("scumble batch").

    Raises:
        InputError: If another process has the folder; it is named.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self._file = (folder / "lock").open("a+", encoding="utf-8")
        if not _soon(self._file):
            other = _holder(self._file)
            self._file.close()
            raise InputError(f"this folder is in use by {other}; wait for it, or stop it")
        self._file.seek(0)
        self._file.truncate()
        mine = {"what": what, "pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%H:%M")}
        self._file.write(json.dumps(mine))
        self._file.flush()

    def release(self) -> None:
        """Give the folder back."""
        self._file.seek(0)
        self._file.truncate()
        self._file.close()


def holder(folder: Path) -> str | None:
    """Who has the folder now: ``scumble batch (pid 4711 on HOST since 10:31)``, or None."""
    path = folder / "lock"
    if not path.is_file():
        return None
    with path.open("a+", encoding="utf-8") as file:
        return None if _lock(file, exclusive=True) else _holder(file)


def share(folder: Path) -> IO[Any]:
    """Hold the workers' lock of a folder, as any number of workers may at a time; it ends with the process."""
    file = (folder / "workers.lock").open("a+")
    if not _lock(file, exclusive=False) and sys.platform != "win32":
        file.close()
        raise InputError("the folder is being taken over by another run")
    return file


def wait_for_workers(folder: Path, patience: float = 10.0) -> None:
    """Wait until no worker of an earlier run is left in the folder.

    Raises:
        InputError: If one stays longer than ``patience`` seconds.
    """
    until = time.monotonic() + patience
    with (folder / "workers.lock").open("a+") as file:
        while not _lock(file, exclusive=True):
            if time.monotonic() > until:
                raise InputError(
                    "a worker of an earlier run is still at work in this folder and does not end: look for"
                    " processes called scumble, end them, and start again"
                )
            time.sleep(0.05)


def _holder(file: IO[Any]) -> str:
    file.seek(0)
    try:
        known = json.loads(file.read())
        return f"{known['what']} (pid {known['pid']} on {known['host']} since {known['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
