"""Where a folder's ledger is: in the folder, or on this machine's disk when the folder is a network's.

SQLite's log needs memory and locks that one machine shares with itself alone; on network folders it is damaged in real
life. There the ledger stays on the driver's disk, and a whole copy of it goes to the folder now and then.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
from pathlib import Path

from scumble.errors import InputError
from scumble.files import atomic_write

__all__ = ["NETWORKS", "file_system", "inside", "ledger_folder", "settled_place", "snapshot_path", "state_folder"]

NETWORKS = ("nfs", "cifs", "smb", "9p", "ceph", "lustre", "beegfs", "gpfs", "afs", "fuse.")
"""Kinds of file systems, by the beginning of their name, on which no ledger is written."""
MOUNTS = Path("/proc/self/mountinfo")


def inside(folder: str | Path) -> Path:
    """The folder for what is ours among results."""
    return Path(folder) / ".scumble"


def ledger_folder(folder: str | Path) -> Path:
    """Where the ledger of a folder of results is, its lock, and its workers' logs."""
    place = inside(folder)
    try:
        return Path(str(json.loads((place / "ledger.json").read_text(encoding="utf-8"))["path"]))
    except (OSError, ValueError, KeyError, TypeError):
        return place


def snapshot_path(folder: str | Path) -> Path:
    """Where the copy of a ledger lies that is itself on another disk."""
    return inside(folder) / "ledger-copy.sqlite"


def settled_place(folder: Path, take_over: bool = False) -> Path:
    """Return where the ledger of a folder is to be written, made when it is not there.

    Args:
        folder: The results' folder.
        take_over: Go on from the folder's copy of a ledger that another machine has.

    Raises:
        InputError: If the ledger is on another machine's disk.
    """
    place = inside(folder)
    place.mkdir(parents=True, exist_ok=True)
    pointer = place / "ledger.json"
    if not pointer.exists() and not file_system(folder).startswith(NETWORKS):
        return place
    known = _read(pointer)
    here = socket.gethostname()
    if known is not None and known["host"] == here:
        local = Path(known["path"])
    elif known is not None and not take_over:
        raise InputError(
            f"the ledger of {folder} is on the disk of {known['host']}: run it there, or --take-over from its last copy"
        )
    else:
        local = state_folder() / "ledgers" / secrets.token_hex(8)
        text = json.dumps({"host": here, "path": str(local)})
        with atomic_write(pointer) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    local.mkdir(parents=True, exist_ok=True)
    if not (local / "ledger.sqlite").exists() and snapshot_path(folder).exists():
        shutil.copyfile(snapshot_path(folder), local / "ledger.sqlite")
    return local


def file_system(folder: Path) -> str:
    """The kind of file system of a folder, such as ``ext4`` or ``nfs4``; empty where the system does not say."""
    target, best, kind = str(folder.resolve()), "", ""
    with contextlib.suppress(OSError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            point = before.split()[4].encode().decode("unicode_escape")
            under = point == "/" or target == point or target.startswith(f"{point}/")
            if under and len(point) >= len(best):
                best, kind = point, after.split()[0]
    return kind


def _read(pointer: Path) -> dict[str, str] | None:
    try:
        known = json.loads(pointer.read_text(encoding="utf-8"))
        return {"host": str(known["host"]), "path": str(known["path"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_folder() -> Path:
    """Where this machine keeps what belongs to no folder of results."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "scumble"
