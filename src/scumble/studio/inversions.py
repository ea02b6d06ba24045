"""The shelf: inversions of pictures, made once, named, and started from again and again."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

__all__ = ["Inversions"]


class Inversions:
    """Files ``FOLDER/.scumble/inversions/ID.inversion.safetensors``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "inversions"

    def new(self) -> tuple[str, Path]:
        """An id that is not used yet, and where its file is to lie."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = secrets.token_hex(8)
        return name, self.folder / f"{name}.inversion.safetensors"

    def path(self, name: str) -> Path | None:
        """Where an inversion is, or None."""
        if not re.fullmatch(r"[0-9a-f]{16}", name):
            return None
        path = self.folder / f"{name}.inversion.safetensors"
        return path if path.is_file() else None

    def all(self) -> list[Path]:
        """Every inversion that is here."""
        return sorted(self.folder.glob("*.inversion.safetensors"))
