"""Measured milliseconds per row on this machine, kept between runs for plans."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from scumble.core.cost import Cost
from scumble.errors import InputError
from scumble.files import atomic_write
from scumble.hashing import sha256
from scumble.models.base import Model
from scumble.models.runtime.cache import cache_folder
from scumble.records.recipe import environment

__all__ = ["measured", "remember"]

LEAST_ROWS = 4
"""Rows from which an edit tells something about the next one."""
ENTRIES = 500
NEWEST = 0.5
"""Weight of the newest edit."""


def measured(model: Model, method: str, size: tuple[int, int]) -> float | None:
    """Return the milliseconds that a row took with this method, model, size (in pixels) and machine; None: not yet."""
    value = _read(_file()).get(_key(model, method, size))
    return value if value is None or 0 < value < math.inf else None


def remember(model: Model, method: str, size: tuple[int, int], cost: Cost) -> None:
    """Keep what an edit took. A folder that cannot be written to is nobody's fault: nothing is kept then."""
    rows, file = cost.forward_rows + cost.backward_rows, _file()
    if rows < LEAST_ROWS or cost.seconds <= 0:
        return
    known, key, value = _read(file), _key(model, method, size), 1000 * cost.seconds / rows
    before = known.pop(key, value)
    known[key] = NEWEST * value + (1 - NEWEST) * before
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as path:
            path.write_text(json.dumps(dict(list(known.items())[-ENTRIES:])))
    except (OSError, InputError):
        return


def _file() -> Path:
    return cache_folder() / "speed.json"


def _read(file: Path) -> dict[str, float]:
    try:
        known: Any = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: float(value) for key, value in known.items() if isinstance(value, int | float)}


def _key(model: Model, method: str, size: tuple[int, int]) -> str:
    runtime = model.runtime
    answering = "torch" if runtime is None else f"{runtime.name} {runtime.precision}"
    about = environment(str(model.device), str(model.dtype), answering)
    weights = sum(one.numel() for one in model.denoiser.parameters())
    return sha256(method, repr(size), model.name, str(weights), repr(sorted(about.items())))[:32]
