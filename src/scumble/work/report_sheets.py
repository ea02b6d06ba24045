"""Contact sheets of a batch: what each picture was, where it was to change, and what became of it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from scumble.editing.contact_sheet import grouped_sheet
from scumble.errors import ScumbleError
from scumble.images import load_image, save_image
from scumble.work.entry import Row
from scumble.work.sink import RemoteSink

__all__ = ["write_sheets"]

ON_A_SHEET = 99
"""Pictures on a contact sheet."""
SHEETS = 3
CANDIDATES = 8
"""Candidates of one request that are shown."""


def write_sheets(
    folder: Path, target: Path, done: Sequence[Row], all_sheets: bool = False, address: str | None = None
) -> list[tuple[Path, str]]:
    """Write contact sheets; where there are too many results, evenly chosen ones. Return path and title of each.

    Args:
        folder: The results'.
        target: Where the sheets go.
        done: Finished requests.
        all_sheets: As many as the results need.
        address: Where the results are, if that is not the folder.

    Raises:
        InputError: If the address cannot be reached, or nothing can be written.
    """
    sink = None if address is None else RemoteSink(address)
    each = max((_number(row) for row in done), default=1)
    on_a_sheet = max(1, ON_A_SHEET // each)
    shown = list(done)
    if not all_sheets and len(shown) > SHEETS * on_a_sheet:
        step = len(shown) / (SHEETS * on_a_sheet)
        shown = [shown[int(k * step)] for k in range(SHEETS * on_a_sheet)]
    written = []
    for number, first in enumerate(range(0, len(shown), on_a_sheet), 1):
        some = shown[first : first + on_a_sheet]
        groups = [(label, images) for label, images in (_pictures(folder, row, sink) for row in some) if images]
        if not groups:
            continue
        title = _title(address or folder.absolute().name, len(some), first, len(shown), len(done))
        path = save_image(grouped_sheet(groups, title=title), target / f"sheet-{number}.png")
        written.append((path, title))
    return written


def _title(name: str, count: int, first: int, shown: int, done: int) -> str:
    which = f"results {first + 1} to {first + count} of {shown}" if shown > count else f"all {count} results"
    if shown < done:
        which = f"{count} of {done} results, evenly chosen"
    return f"{name}: {which}; before, map, after"


def _number(row: Row) -> int:
    beside = sum(isinstance(row.body.get(name), dict) for name in ("image", "change_map"))
    return beside + min(row.count, CANDIDATES)


def _pictures(folder: Path, row: Row, sink: RemoteSink | None) -> tuple[str, list[Image.Image]]:
    """A request's name and its pictures: before, map, after."""
    paths = [Path(given["path"]) for given in (row.body.get(name) for name in ("image", "change_map"))
             if isinstance(given, dict) and given.get("path")]  # fmt: skip
    made = [one.path for one in row.files if not one.path.endswith(".json")]
    images = []
    with tempfile.TemporaryDirectory() as scratch:
        for k, name in enumerate(made[:CANDIDATES]):
            paths.append(folder / name if sink is None else sink.fetch(name, Path(scratch) / f"{k}{Path(name).suffix}"))
        for path in paths:
            try:
                images.append(load_image(path).rgb)
            except ScumbleError:
                continue
    more = len(made) - CANDIDATES
    return f"{row.id} (+{more})" if more > 0 else row.id, images
