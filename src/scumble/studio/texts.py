"""Texts sent for a field of a method: sentences, one per line."""

from __future__ import annotations

import re
from pathlib import Path

from scumble.errors import InputError
from scumble.hashing import sha256
from scumble.studio.files import write_bytes

__all__ = ["MOST_TEXT", "Texts"]

MOST_TEXT = 1_000_000


class Texts:
    """Files ``FOLDER/.scumble/texts/HASH.txt``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "texts"

    def add(self, data: bytes, name: str) -> str:
        """Keep a text; returns its id.

        Raises:
            InputError: If it is empty or no UTF-8 text.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise InputError(f"{name} is no text in UTF-8; give a plain text file, one sentence per line") from None
        if not text.strip():
            raise InputError(f"{name} is empty; give a plain text file, one sentence per line")
        digest = sha256(data)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self.folder / f"{digest}.txt", data)
        return digest

    def path(self, digest: str) -> Path | None:
        """Where a text is, or None."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return None
        path = self.folder / f"{digest}.txt"
        return path if path.is_file() else None
