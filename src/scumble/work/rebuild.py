"""The ledger anew from the pictures: every one that carries the key of its request is a finished request again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from scumble.errors import InputError, ScumbleError
from scumble.files import PICTURE_FORMATS
from scumble.records.file_ref import content_sha256
from scumble.records.metadata import read_metadata
from scumble.work.entry import Entry
from scumble.work.ledger import Ledger, ledger_folder
from scumble.work.outcome import Outcome, OutputFile

__all__ = ["is_damaged", "put_aside", "rebuild"]


def rebuild(folder: Path) -> int:
    """Put the old ledger aside as ``ledger-DATE.sqlite`` and make a new one; return how many results are in it.

    What was queued or failed is in no picture: the list has to be given once more. Its requests find their results by
    the key that those carry.

    Raises:
        InputError: If another process has the folder, or it is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder")
    place = ledger_folder(folder)
    place.mkdir(exist_ok=True)
    old = place / "ledger.sqlite"
    if old.exists():
        if not is_damaged(folder):
            with Ledger.open(folder, "scumble batch --rebuild"):
                pass  # nobody else has it
        put_aside(place)
    results = _results(folder)
    with Ledger.open(folder, "scumble batch --rebuild") as ledger, ledger.turn():
        worker = ledger.begin_worker("rebuild", "", {})
        for output, (recipe, files) in results.items():
            _file(ledger, worker, folder, output, recipe, files)
    return len(results)


def put_aside(place: Path) -> None:
    """Name the ledger of a folder ``ledger-DATE.sqlite``."""
    (place / "ledger.sqlite").rename(place / f"ledger-{time.strftime('%Y%m%d-%H%M%S')}.sqlite")
    for end in ("-wal", "-shm"):
        (place / f"ledger.sqlite{end}").unlink(missing_ok=True)


def is_damaged(folder: Path) -> bool:
    """Whether the ledger of a folder cannot be read."""
    try:
        with Ledger.read(folder):
            return False
    except InputError:
        return True


def _results(folder: Path) -> dict[str, tuple[dict[str, Any], list[Path]]]:
    """Output name -> (recipe, files) of every request that some pictures say they were made for."""
    results: dict[str, tuple[dict[str, Any], list[Path]]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix.lower() not in PICTURE_FORMATS or any(part.startswith(".") for part in inside.parts):
            continue
        try:
            recipe = read_metadata(path)
        except ScumbleError:
            continue
        if not isinstance(recipe.get("request"), str):
            continue
        index = f"-{recipe.get('index', 0)}"
        several = recipe.get("count", 1) > 1 and path.stem.endswith(index)
        output = inside.with_name(path.stem.removesuffix(index) + path.suffix) if several else inside
        results.setdefault(output.as_posix(), (recipe, []))[1].append(path)
    return results


def _file(ledger: Ledger, worker: int, folder: Path, output: str, recipe: dict[str, Any], files: list[Path]) -> None:
    body = {name: recipe.get(name) for name in ("method", "parameters", "seed", "count", "also")}
    entry = Entry(id=os.path.splitext(output)[0], line="0" * 64, body=body, output=output, count=len(files))  # noqa: PTH122
    ledger.add([entry])
    (number,) = (row.number for row in ledger.rows() if row.id == entry.id)
    ledger.restrict([number])
    ledger.claim(worker)
    outputs = tuple(
        OutputFile(
            path.relative_to(folder).as_posix(), content_sha256(path), path.stat().st_size, path.stat().st_mtime_ns
        )
        for path in files
    )
    model = recipe.get("model") or {}
    known = (str(model.get("name", "")), str(model["sha256"])) if model.get("sha256") else None
    ledger.record([Outcome(number, "done", remark="found", files=outputs, key=recipe["request"], model=known)])
