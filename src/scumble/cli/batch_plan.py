"""``scumble batch --dry-run``: what a list would come to, before anything is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from scumble.records.request import canonical
from scumble.work.batch import Batch
from scumble.work.entry import Entry
from scumble.work.prepare import entries_of

__all__ = ["show_plan"]

BYTES_A_PIXEL = 1.9
"""Of a PNG as diffusion models make them (512 px: 0.5 MB)."""


def show_plan(todo: Batch, as_json: bool) -> None:
    """Print how many requests and pictures there are, how many kinds, and the space they take."""
    assert todo.checked is not None
    entries = entries_of(todo.checked.named)
    place = todo.folder.absolute()
    while not place.exists():
        place = place.parent
    told = {
        "requests": len(entries),
        "pictures": sum(entry.count for entry in entries),
        "plans": len({canonical(_shape(entry.body)) for entry in entries}),
        "bytes": _bytes(entries),
        "free": shutil.disk_usage(place).free,
    }
    print(json.dumps(told) if as_json else _text(told))


def _shape(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request without pictures, words and seeds: what is equal in it costs the same at the same size."""
    parameters = {name: bool(value) if "prompt" in name else value for name, value in body["parameters"].items()}
    aside = ("id", "seed", "output", "labels", "priority", "image", "change_map", "parameters")
    return {**{name: value for name, value in body.items() if name not in aside}, "parameters": parameters}


def _bytes(entries: Sequence[Entry]) -> int:
    pixels = 0
    for entry in entries:
        image = entry.body.get("image")
        if image is not None:
            with Image.open(image["path"]) as header:
                pixels += header.width * header.height * entry.count
    return int(pixels * BYTES_A_PIXEL)


def _text(told: Mapping[str, Any]) -> str:
    lines = [
        f"{told['requests']} requests, {told['pictures']} pictures, {told['plans']} kinds of work; nothing was made",
        f"about {told['bytes'] / 1e6:,.1f} MB of results as PNG; {told['free'] / 1e9:,.1f} GB are free",
    ]
    return "\n".join(lines)
