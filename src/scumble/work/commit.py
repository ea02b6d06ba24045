"""From a worker's temporary files to results: whole files first, then their names, then the ledger's row."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.work import faults
from scumble.work.outcome import Outcome, OutputFile

__all__ = ["clear_temporaries", "durable", "named", "outcome_of_event", "temporary_path", "written"]


def temporary_path(path: Path, token: str) -> Path:
    """The temporary name of a result, beside it, with its extension: ``.out.TOKEN.tmp.png``."""
    return path.with_name(f".{path.stem}.{token}.tmp{path.suffix}")


def written(folder: Path, temporary: Path, final: Path, pixels: str | None = None) -> dict[str, Any]:
    """Make a temporary file durable and return what the driver has to know of it (worker's side)."""
    with temporary.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read())
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    return {
        "temporary": temporary.relative_to(folder).as_posix(),
        "path": final.relative_to(folder).as_posix(),
        "size": size,
        "file": digest.hexdigest(),
        "pixels": pixels,
    }


def named(folder: Path, files: Iterable[Mapping[str, Any]]) -> tuple[OutputFile, ...]:
    """Give finished temporary files their final names, in order; a file that has it already stays (driver's side).

    Raises:
        InputError: If a file is not there as it was announced: the disk lost it, or somebody removed it.
    """
    results = []
    for one in files:
        if one.get("remote"):
            results.append(OutputFile(one["path"], one["file"], one["size"], 0, one.get("pixels")))
            continue
        final = folder / one["path"]
        try:
            if one.get("temporary"):
                temporary = folder / one["temporary"]
                if temporary.stat().st_size != one["size"]:
                    raise InputError(f"{one['path']} is shorter than the worker wrote it")
                faults.at("told")
                os.replace(temporary, final)  # noqa: PTH105 - its atomicity is the point
                faults.at("renamed")
            stat = final.stat()
        except FileNotFoundError as error:
            raise InputError(f"{one['path']} was removed before it had its name") from error
        results.append(OutputFile(one["path"], one["file"], stat.st_size, stat.st_mtime_ns, one.get("pixels")))
    return tuple(results)


def durable(folders: Iterable[Path]) -> None:
    """Let the names in these folders survive a power cut."""
    if os.name == "nt":  # folders cannot be synchronised there
        return
    for folder in set(folders):
        with contextlib.suppress(OSError):
            line = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(line)
            finally:
                os.close(line)


def clear_temporaries(folders: Iterable[Path], token: str = "") -> None:
    """Remove what workers that ended while they wrote have left; of one worker, where its token is given."""
    for folder in set(folders):
        for left in folder.glob(f".*{token}.tmp*"):
            left.unlink(missing_ok=True)


def outcome_of_event(number: int, data: Mapping[str, Any], folder: Path) -> Outcome:
    """The outcome of a task that an event ``finished`` tells of; a result's files get their final names here."""
    if data.get("outcome", "done") != "done":
        return Outcome(number, data["outcome"], data.get("error"), data.get("hint"), bool(data.get("passing")))
    try:
        files = named(folder, data.get("files", ()))
    except InputError as error:
        return Outcome(number, "raised", str(error), passing=True)
    model = data.get("model")
    return Outcome(
        number,
        "done",
        remark=data.get("remark", "made"),
        files=files,
        inputs=tuple(tuple(one) for one in data.get("inputs", ())),
        key=data.get("key"),
        model=None if model is None else (model[0], model[1]),
        cost=data.get("cost", {}),
        batch=data.get("batch"),
    )
