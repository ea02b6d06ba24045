"""A mark for fields that name files, declared once at the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["FROM_WORDS", "FileField", "NamedFile", "marked_files", "named_files"]

FROM_WORDS = ("words:", "not:")
"""How a map begins that is to be made from the image by words rather than read."""

Kind = Literal["image", "map", "inversion", "direction", "model", "text"]


@dataclass(frozen=True)
class FileField:
    """Marks a field whose text is a file: ``target_image: Annotated[str | None, FileField("image")] = None``.

    From this mark come the search by hash, the check before a batch begins, and the content in a request's key.
    Fields of the kinds ``model`` and ``direction`` may also hold the name of something in the package.
    """

    kind: Kind


@dataclass(frozen=True)
class NamedFile:
    """A file that some settings name.

    Attributes:
        place: Where, with dots: ``target_image``, ``references.0.image``.
        kind: What it is.
        path: As it was given.
    """

    place: str
    kind: Kind
    path: str


def named_files(settings: BaseModel, prefix: str = "") -> Iterator[NamedFile]:
    """Yield every file that settings name, however deep inside them; names of what is in the package are left out."""
    for named in marked_files(settings, prefix):
        if not (named.kind in _PACKED and _is_name(named.path)):
            yield named


def marked_files(settings: BaseModel, prefix: str = "") -> Iterator[NamedFile]:
    """Yield every text that settings have in a field for files, names of what is in the package among them."""
    for name, field in type(settings).model_fields.items():
        marks = [mark for mark in field.metadata if isinstance(mark, FileField)]
        yield from _inside(getattr(settings, name), f"{prefix}{name}", marks[0] if marks else None)


def _inside(value: Any, place: str, mark: FileField | None) -> Iterator[NamedFile]:
    if isinstance(value, BaseModel):
        yield from marked_files(value, f"{place}.")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _inside(one, f"{place}.{key}", mark)
    elif isinstance(value, list | tuple):
        for k, one in enumerate(value):
            yield from _inside(one, f"{place}.{k}", mark)
    elif mark is not None and isinstance(value, str | Path) and not _is_looked_for(mark.kind, value):
        yield NamedFile(place, mark.kind, str(value))


def _is_looked_for(kind: Kind, value: str | Path) -> bool:
    """Whether a map is to be made from the image by words rather than read."""
    return kind == "map" and isinstance(value, str) and value.startswith(FROM_WORDS)


_PACKED = ("model", "direction")


def _is_name(value: str) -> bool:
    """Whether a text is a name of something in the package rather than a path."""
    return "/" not in value and "\\" not in value and not Path(value).suffix
