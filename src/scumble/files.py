"""Write files whole or not at all; the picture formats by extension."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from safetensors import SafetensorError

from scumble.errors import InputError

__all__ = ["PICTURE_FORMATS", "READABLE_PICTURES", "atomic_write", "flush", "refuse_overwriting"]

PICTURE_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""Extensions of the pictures that can be written, with Pillow's name of the format."""

READABLE_PICTURES = (*PICTURE_FORMATS, ".bmp", ".avif", ".heic")
"""Extensions by which pictures are found in a folder."""


def refuse_overwriting(path: Path, source: Path | None = None) -> None:
    """Refuse a target where a file would be lost.

    Args:
        path: The target.
        source: The edited file, if any.

    Raises:
        InputError: If it is the edited file, or another one that exists.
    """
    _refuse_nul(path)
    try:
        exists = path.exists()
        same = exists and source is not None and source.exists() and path.samefile(source)
    except (OSError, ValueError) as error:  # too long
        raise InputError(f"the output cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if same:
        raise InputError("the output is the input itself; give another name or --overwrite")
    if exists:
        raise InputError(f"{path.name} exists; give another name or --overwrite")


_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_ABANDONED = 900.0
"""Seconds after which a temporary file that does not grow belongs to nobody."""


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder; the file becomes ``path`` when the block ends without an error.

    The contents are on the disk before the name is, so a power cut leaves the old file or the new one. The temporary
    name ends in ``.tmp``: a writer that goes by the extension must be told the format.

    Raises:
        InputError: If the file cannot be written; an existing file stays as it was.
    """
    path = Path(path)
    _refuse_special(path)
    _sweep(path.parent.absolute())
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield unfinished
        flush(unfinished)
        os.replace(unfinished, path)  # noqa: PTH105 - its atomicity is the point
        with contextlib.suppress(OSError):  # a folder cannot be flushed everywhere
            flush(path.parent)
    except (OSError, ValueError, SafetensorError) as error:  # Pillow's encoders raise the first two
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be written: {reason}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_special(path: Path) -> None:
    """A link would be replaced rather than followed, and a pipe or device never become a file."""
    _refuse_nul(path)
    try:
        link, other = path.is_symlink(), path.exists() and not path.is_file()
    except (OSError, ValueError) as error:  # too long
        raise InputError(f"the output cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if link:
        raise InputError(f"the output {path.name} is a link; name the file itself")
    if other:
        raise InputError(f"the output {path.name} is a folder, pipe or device; give the name of a file")


def _refuse_nul(path: Path) -> None:
    """No system has such a name, and asking whether it exists only says that it does not."""
    if "\0" in str(path):
        raise InputError("the output cannot be written: its name has a null byte in it")


@cache
def _sweep(folder: Path) -> None:
    """Remove what killed writers left in a folder, once per process: temporary files that nobody has touched lately."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED:
                        Path(entry.path).unlink()
