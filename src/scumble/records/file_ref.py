"""A file that a request names: by its path, by its content, or by both."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from scumble.errors import InputError
from scumble.hashing import files_sha256, sha256
from scumble.settings import Settings

__all__ = ["FileRef", "content_sha256", "file_refs"]


class FileRef(Settings):
    """A file that a request names."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str | None = None
    """As written; relative to the list's folder."""
    sha256: str | None = None
    """Of its content, where known: of the pixels for pictures, of the strengths for maps, as in a recipe."""


def file_refs(value: Any, place: str = "") -> Iterator[tuple[str, FileRef]]:
    """Yield (place with dots, file) of every file in a request or a part of one, however deep."""
    if isinstance(value, FileRef):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from file_refs(getattr(value, name), f"{place}.{name}" if place else name)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from file_refs(one, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for k, one in enumerate(value):
            yield from file_refs(one, f"{place}.{k}" if place else str(k))


def content_sha256(path: Path) -> str:
    """SHA-256 of a regular file's bytes, or of a folder's: the names and contents of all files in it.

    Raises:
        InputError: If it is missing, or a device, pipe or socket, which nobody opens.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            inside = (one for one in sorted(path.rglob("*")) if one.is_file())
            return sha256(*(f"{one.relative_to(path).as_posix()}:{content_sha256(one)}\n" for one in inside))
        if not stat.S_ISREG(mode):
            raise InputError(f"{path.name} is no regular file")
        return files_sha256([path])
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror or error}") from error
