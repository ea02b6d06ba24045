"""Two results side by side: what differs in their recipes, and how many pixels do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scumble.studio.pictures import inspect

__all__ = ["differences"]

ASIDE = ("report", "request", "environment", "index", "count", "batch_size")
"""What differs between candidates of one edit without making a difference."""


def differences(first: Path, second: Path) -> dict[str, Any]:
    """Return the fields of two recipes that differ, and the share and largest difference of their pixels."""
    recipes = [dict(_flat(inspect(path.read_bytes(), path.name).recipe or {})) for path in (first, second)]
    names = [name for name in {**recipes[0], **recipes[1]} if name.partition(".")[0] not in ASIDE]
    fields = [[name, recipes[0].get(name), recipes[1].get(name)] for name in names]
    pixels = []
    for path in (first, second):
        with Image.open(path) as image:
            pixels.append(np.asarray(image.convert("RGB"), np.int16))
    outcome: dict[str, Any] = {"fields": [one for one in fields if one[1] != one[2]], "share": None, "largest": None}
    if pixels[0].shape == pixels[1].shape:
        difference = np.abs(pixels[0] - pixels[1]).max(axis=2)
        outcome |= {"share": float((difference > 0).mean()), "largest": int(difference.max())}
    return outcome


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if isinstance(one, Mapping) and one:
            yield from _flat(one, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", one
