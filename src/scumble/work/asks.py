"""Requests to a batch that another process is running: small files that its driver takes up."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scumble.files import atomic_write
from scumble.work.ledger import ledger_folder

__all__ = ["ask", "taken"]


def ask(folder: Path, what: str, **more: Any) -> None:
    """Leave a wish (pause, resume, cancel) for the process that has the folder."""
    place = ledger_folder(folder) / "asks"
    place.mkdir(exist_ok=True)
    with atomic_write(place / f"{secrets.token_hex(8)}.json") as unfinished:
        unfinished.write_text(json.dumps({"what": what, **more}), encoding="utf-8")


def taken(folder: Path) -> list[Mapping[str, Any]]:
    """Take up the wishes that were left; each once."""
    place = ledger_folder(folder) / "asks"
    if not place.is_dir():
        return []
    wishes = list[Mapping[str, Any]]()
    for path in sorted(place.glob("*.json")):
        try:
            wish = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            wish = None
        path.unlink(missing_ok=True)
        if isinstance(wish, dict):
            wishes.append(wish)
    return wishes
