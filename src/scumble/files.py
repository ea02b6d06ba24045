"""Write files whole or not at all; the picture formats by extension."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
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
    if path.exists() and source is not None and source.exists() and path.samefile(source):
        raise InputError("the output is the input itself; give another name or --overwrite")
    if path.exists():
        raise InputError(f"{path.name} exists; give another name or --overwrite")


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder; the file becomes ``path`` when the block ends without an error.

    The contents are on the disk before the name is, so a power cut leaves the old file or the new one. The temporary
    name ends in ``.tmp``: a writer that goes by the extension must be told the format.

    Raises:
        InputError: If the file cannot be written; an existing file stays as it was.
    """
    path = Path(path)
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
