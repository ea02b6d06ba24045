"""What a recipe records of a file: its name, never the folder that tells where a person works."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

__all__ = ["without_folders"]

Given = TypeVar("Given", str, str | None)


def without_folders(given: Given) -> Given:
    """Return a file's name alone where its path is absolute."""
    return Path(given).name if given and Path(given).is_absolute() else given
