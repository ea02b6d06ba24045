"""Converted networks on the disk, so that a conversion is paid once on a machine."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from scumble.errors import InputError
from scumble.hashing import files_sha256, sha256

__all__ = ["Entry", "RuntimeCache", "cache_folder"]

LIMIT = 20 * 2**30
"""Bytes that all entries may take; the least recently used go first."""

ABOUT = "about.json"


def cache_folder() -> Path:
    """Return the folder of everything that can be made again: $SCUMBLE_CACHE, or the user's cache folder."""
    given = os.environ.get("SCUMBLE_CACHE")
    return Path(given).expanduser() if given else user_cache_path("scumble")


@dataclass(frozen=True)
class Entry:
    """One converted network: its folder, what it is of, its size in bytes and when it was last used (epoch seconds)."""

    folder: Path
    about: dict[str, str]
    size: int
    used: float


class RuntimeCache:
    """A folder of converted networks, each written whole and checked when it is read.

    Args:
        folder: Where; by default ``runtime`` in :func:`cache_folder`.
        limit: Bytes that all entries may take together.
    """

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = cache_folder() / "runtime" if folder is None else folder
        self.limit = limit

    def get(self, about: dict[str, str]) -> Path | None:
        """Return the folder of an entry, or None where there is none or it is damaged (then it is removed)."""
        folder = self.folder / self.key(about)
        try:
            record = json.loads((folder / ABOUT).read_text())
            files = [folder / name for name in record["files"]]
            if files_sha256(files) == record["sha256"]:
                os.utime(folder / ABOUT)
                return folder
        except FileNotFoundError:
            if not folder.exists():
                return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def put(self, about: dict[str, str], write: Callable[[Path], None]) -> Path:
        """Make an entry: ``write`` fills a folder, which becomes the entry when all of it is there.

        Where another process made the same entry meanwhile, that one stays.

        Raises:
            InputError: If the folder cannot be written.
        """
        target = self.folder / self.key(about)
        partial = self.folder / f".{target.name}.{secrets.token_hex(4)}.tmp"
        try:
            partial.mkdir(parents=True)
            write(partial)
            names = sorted(path.name for path in partial.iterdir())
            digest = files_sha256([partial / name for name in names])
            (partial / ABOUT).write_text(json.dumps({"about": about, "files": names, "sha256": digest}))
            with contextlib.suppress(OSError):
                partial.rename(target)
            if not (target / ABOUT).is_file():
                raise OSError("the entry could not be put into its place")
        except OSError as error:
            raise InputError(f"{self.folder} cannot keep a converted network: {error.strerror or error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self.shrink(keep=target)
        return target

    def entries(self) -> Iterator[Entry]:
        """Yield the entries that can be read, in no order."""
        for path in self.folder.glob(f"*/{ABOUT}") if self.folder.is_dir() else ():
            if path.parent.name.startswith("."):
                continue
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                size = sum(file.stat().st_size for file in path.parent.iterdir())
                yield Entry(path.parent, dict(json.loads(path.read_text())["about"]), size, path.stat().st_mtime)

    def clear(self) -> int:
        """Remove all entries, and what killed processes left; return how many bytes that freed."""
        freed = sum(entry.size for entry in self.entries())
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            shutil.rmtree(path, ignore_errors=True)
        return freed

    def shrink(self, keep: Path | None = None) -> None:
        """Remove the least recently used entries until the rest fits, and temporary folders older than a day."""
        entries = sorted(self.entries(), key=lambda entry: entry.used, reverse=True)
        total = 0
        for entry in entries:
            total += entry.size
            if total > self.limit and entry.folder != keep:
                shutil.rmtree(entry.folder, ignore_errors=True)
        for path in self.folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > 86400:
                    shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def key(about: dict[str, str]) -> str:
        """Return the name of the entry: a hash of all that decides what a conversion gives."""
        return sha256(json.dumps(about, sort_keys=True))[:32]
