"""Where a benchmark leaves its figures for the pages: ``docs/figures-data/NAME.json``, with ``SCUMBLE_FIGURES`` set.

``SCUMBLE_FIGURES="two quiet processor cores" python -m benchmarks batch batch_group``, then ``make docs-tables``.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from scumble.files import atomic_write

FOLDER = Path(__file__).parents[1] / "docs" / "figures-data"


def keep_table(name: str, about: str, columns: list[str], rows: list[list[str]], command: str = "make bench") -> None:
    """Keep rows as they are to stand on a page; nothing without ``SCUMBLE_FIGURES``, which says what the machine is."""
    machine = os.environ.get("SCUMBLE_FIGURES")
    if machine:
        stated = {
            "date": date.today().isoformat(),
            "machine": machine,
            "weights": "still-life",
            "command": command,
        }
        _write(name, {"about": about, **stated, "columns": columns, "rows": rows})


def keep_assumed(name: str, about: str, assumed: dict[str, Any]) -> None:
    """Keep what a page works out a table from."""
    if os.environ.get("SCUMBLE_FIGURES"):
        _write(name, {"about": about, "assume": assumed})


def _write(name: str, body: dict[str, Any]) -> None:
    with atomic_write(FOLDER / f"{name}.json") as unfinished:
        unfinished.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
