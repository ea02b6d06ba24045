"""Results that go to an address (``s3://bucket/out``): any file system that fsspec knows and every worker reaches."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.records.file_ref import content_sha256
from scumble.work.place import state_folder

__all__ = ["RemoteSink", "home_of", "is_address"]

WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "cos", "b2", "hf"}
"""Object stores: a file is there when all of it is, and a new name for it would be a copy."""


def is_address(folder: str | Path) -> bool:
    """Whether results are to go to an address rather than a folder."""
    return isinstance(folder, str) and "://" in folder


def home_of(folder: str | Path) -> Path:
    """Where the ledger of results is kept: in their folder; for an address in one of this machine's."""
    if not is_address(folder):
        return Path(folder)
    return state_folder() / "addresses" / hashlib.sha256(str(folder).rstrip("/").encode()).hexdigest()[:16]


class RemoteSink:
    """Writes whole files to an address. What is written is there at once or not at all.

    Object stores have it so; elsewhere a file gets its name when it is whole.

    Args:
        address: Such as ``s3://bucket/out``.

    Raises:
        InputError: If the package for this kind of address is missing, it cannot be reached, or what is written there
            stays in the process that wrote it.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        self._address, kinds = address, {part.partition("://")[0] for part in address.split("::")}
        if "memory" in kinds:
            raise InputError(
                f"results cannot go to {address}: memory:// is the memory of one process, and workers are others;"
                " give a folder or an address that all of them reach"
            )
        try:
            self._system, self._root = url_to_fs(address.rstrip("/"))
        except (ImportError, ValueError, OSError) as error:
            raise InputError(f"results cannot go to {address}: {error}") from error
        self._whole = bool(kinds & WHOLE)

    def probe(self) -> None:
        """Write a small file, see that it is there, and remove it.

        Raises:
            InputError: If nothing can be written.
        """
        name = f".scumble-probe-{secrets.token_hex(4)}"
        try:
            self._write(name, b"scumble")
            seen = self.size(name)
            self._system.rm_file(f"{self._root}/{name}")
        except Exception as error:  # each kind of file system has errors of its own
            text = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"results cannot be written to {self._address}: {text}") from error
        if seen != len(b"scumble"):
            raise InputError(f"what is written to {self._address} is not found there")

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
        """Write a whole file, and return what the driver has to know of it."""
        data = source.read_bytes()
        self._write(name, data)
        return {"path": name, "size": len(data), "file": content_sha256(source), "remote": True}

    def clear_temporaries(self, names: Iterable[str]) -> None:
        """Remove what workers that ended while they wrote have left beside these results."""
        if self._whole:
            return
        for folder in {f"{self._root}/{name}".rpartition("/")[0] for name in names}:
            for left in self._system.glob(f"{folder}/.*.tmp") if self._system.isdir(folder) else ():
                self._system.rm_file(left)

    def _write(self, name: str, data: bytes) -> None:
        path = f"{self._root}/{name}"
        folder, _, last = path.rpartition("/")
        self._system.makedirs(folder, exist_ok=True)
        if self._whole:
            self._system.pipe_file(path, data)
            return
        beside = f"{folder}/.{last}.{secrets.token_hex(4)}.tmp"
        self._system.pipe_file(beside, data)
        self._system.mv(beside, path)
