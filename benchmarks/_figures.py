"""Where benchmarks leave figures for the pages: ``docs/figures/batches.json``, written when asked for.

``SCUMBLE_FIGURES=1 python -m benchmarks batch batch_group``, then ``python docs/batch_figures.py`` states them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from scumble.files import atomic_write

FILE = Path(__file__).parents[1] / "docs" / "figures" / "batches.json"


def note(name: str, **figures: float | list[float]) -> None:
    """Keep a benchmark's figures."""
    if not os.environ.get("SCUMBLE_FIGURES"):
        return
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    known[name] = {key: [round(v, 3) for v in value] if isinstance(value, list) else round(value, 3)
                   for key, value in figures.items()}  # fmt: skip
    with atomic_write(FILE) as unfinished:
        unfinished.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
