"""Which finished requests are no longer what they were: an input changed, or a result is gone or was changed."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scumble.errors import InputError
from scumble.records.file_ref import content_sha256
from scumble.work.entry import Row
from scumble.work.ledger import Ledger
from scumble.work.sink import RemoteSink

__all__ = ["CHANGED_RESULT", "stale"]

CHANGED_RESULT = "its result is gone or was changed"
THREADS = 32


def stale(ledger: Ledger, rows: Iterable[Row], verify: bool = False, sink: RemoteSink | None = None) -> dict[int, str]:
    """Return request number -> why it has to be made again.

    A file of the same size and time counts as the same; else, and always with ``verify``, its content decides. Of
    results at an address (``sink``) the size alone is compared.
    """
    todo = [(row, ledger.inputs(row.number)) for row in rows]
    with ThreadPoolExecutor(THREADS) as pool:
        reasons = pool.map(lambda one: _reason(ledger.folder, sink, one[0], one[1], verify), todo)
        return {row.number: reason for (row, _), reason in zip(todo, reasons, strict=True) if reason is not None}


def _reason(
    folder: Path, sink: RemoteSink | None, row: Row, inputs: list[tuple[str, int, int, str]], verify: bool
) -> str | None:
    if not row.files:
        return CHANGED_RESULT
    for one in row.files:
        if sink is not None:
            same = sink.size(one.path) == one.size
        else:
            same = _same(folder / one.path, one.size, one.mtime_ns, one.file, verify)
        if not same:
            return CHANGED_RESULT
    for path, size, mtime_ns, sha256 in inputs:
        if not _same(Path(path), size, mtime_ns, sha256, verify):
            return f"{Path(path).name} changed"
    return None


def _same(path: Path, size: int, mtime_ns: int, sha256: str, verify: bool) -> bool:
    try:
        stat = path.stat()
        if not verify and (stat.st_size, stat.st_mtime_ns) == (size, mtime_ns):
            return True
        return content_sha256(path) == sha256
    except (OSError, InputError):
        return False
