"""Results that go to an address (``s3://bucket/out``): any file system that fsspec knows and every worker reaches."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.records.file_ref import content_sha256
from scumble.work.place import state_folder

__all__ = ["RemoteSink", "home_of", "is_address"]


def is_address(folder: str | Path) -> bool:
    """Whether results are to go to an address rather than a folder."""
    return isinstance(folder, str) and "://" in folder


def home_of(folder: str | Path) -> Path:
    """Where the ledger of results is kept: in their folder; for an address in one of this machine's."""
    if not is_address(folder):
        return Path(folder)
    return state_folder() / "addresses" / hashlib.sha256(str(folder).rstrip("/").encode()).hexdigest()[:16]


class RemoteSink:
    """Writes whole files to an address. What is written is there at once or not at all, as object stores have it.

    Args:
        address: Such as ``s3://bucket/out``.

    Raises:
        InputError: If the package for this kind of address is missing, or it cannot be reached.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        try:
            self._system, self._root = url_to_fs(address.rstrip("/"))
        except (ImportError, ValueError, OSError) as error:
            raise InputError(f"results cannot go to {address}: {error}") from error

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None when there is none."""
        try:
            return int(self._system.info(f"{self._root}/{name}")["size"])
        except FileNotFoundError:
            return None

    def fetch(self, name: str, target: Path) -> Path:
        """Copy a file to this machine."""
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._system.cat_file(f"{self._root}/{name}"))
        return target

    def put(self, source: Path, name: str) -> dict[str, Any]:
        """Write a whole file in one go, and return what the driver has to know of it."""
        path, data = f"{self._root}/{name}", source.read_bytes()
        self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(path, data)
        return {"path": name, "size": len(data), "file": content_sha256(source), "remote": True}
