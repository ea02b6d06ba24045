"""The report on a folder of results: tables, reasons of failures, and contact sheets of before, map and after."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from scumble.editing.contact_sheet import contact_sheet
from scumble.errors import ScumbleError
from scumble.files import atomic_write
from scumble.images import load_image, save_image
from scumble.work.entry import Row
from scumble.work.estimate import duration
from scumble.work.ledger import Ledger

__all__ = ["write_report"]

ON_A_SHEET = 33
"""Requests on a contact sheet, so at most 99 pictures."""
SHEETS = 3
IDS = 20
"""Ids that are named for each reason."""
BESIDE = 50
"""Rows of the table in the page; all are in results.csv."""


def write_report(folder: Path, target: Path, all_sheets: bool = False) -> list[Path]:
    """Write ``report.md``, ``results.csv``, ``failures.csv`` and ``sheet-N.png`` to ``target``; return their paths.

    Raises:
        InputError: If the folder holds no ledger, or nothing can be written.
    """
    with Ledger.read(folder) as ledger:
        rows, devices, runs = ledger.rows(), ledger.devices(), ledger.runs()
        group = ledger.noted("group")
    target.mkdir(parents=True, exist_ok=True)
    done = [row for row in rows if row.state == "done"]
    bad = [row for row in rows if row.state in ("failed", "cancelled", "interrupted")]
    sheets = _sheets(folder, target, done, None if all_sheets else SHEETS)
    written = [
        _write(target / "results.csv", _results(rows)),
        _write(target / "failures.csv", _failures(bad)),
        _write(target / "report.md", _page(folder, target, rows, done, bad, devices, runs, sheets, group)),
    ]
    return [*written, *sheets]


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return path


def _table(header: Sequence[str], rows: Iterator[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return text.getvalue()


def _results(rows: Sequence[Row]) -> str:
    labels = sorted({name for row in rows for name in row.body.get("labels") or {}})
    header = ["id", "line", "state", "reason", "files", "method", "seed", "attempts", "batch", "seconds", "forward",
              "backward", "peak_bytes", "worker", *(f"label.{name}" for name in labels)]  # fmt: skip
    cells = (
        [row.id, row.source, row.state, row.reason, " ".join(one.path for one in row.files), row.body.get("method"),
         row.body.get("seed"), row.attempts, row.batch, row.seconds, row.forward, row.backward, row.peak, row.worker,
         *((row.body.get("labels") or {}).get(name) for name in labels)]
        for row in rows
    )  # fmt: skip
    return _table(header, cells)


def _failures(rows: Sequence[Row]) -> str:
    return _table(
        ["line", "id", "state", "reason", "error", "hint", "attempts"],
        ([row.source, row.id, row.state, row.reason, row.error, row.hint, row.attempts] for row in rows),
    )


def _page(
    folder: Path,
    target: Path,
    rows: Sequence[Row],
    done: Sequence[Row],
    bad: Sequence[Row],
    devices: Sequence[tuple[str, int]],
    runs: int,
    sheets: Sequence[Path],
    group: str | None,
) -> str:
    states = {state: sum(row.state == state for row in rows) for state in dict.fromkeys(row.state for row in rows)}
    lines = [f"# {folder.name}", "", f"{len(rows)} requests in {runs} run{'' if runs == 1 else 's'}: "
             + ", ".join(f"{count} {state}" for state, count in sorted(states.items())) + ".", ""]  # fmt: skip
    lines += _cost(done)
    lines += [f"* {count} results made on {device or 'an unknown device'}" for device, count in devices]
    if len(devices) > 1:
        lines.append("* Results of different kinds of devices may differ by a grey level.")
    smaller = [row for row in done if row.batch is not None]
    if smaller:
        lines.append(f"* {len(smaller)} results were made with fewer at once than asked, for want of memory, and may"
                     " differ by a grey level.")  # fmt: skip
    if group is not None:
        lines.append(f"* Up to {group} requests shared the calls of the network (--group): results may differ by a grey"
                     " level from those made one by one; their recipes say how they were shared.")  # fmt: skip
    if bad:
        lines += ["", "## What is not there", "", "| reason | requests | ids |", "|---|---|---|"]
        for reason, ids in _reasons(bad).items():
            more = f", … ({len(ids)} in all)" if len(ids) > IDS else ""
            lines.append(f"| {_cell(reason)} | {len(ids)} | {_cell(', '.join(ids[:IDS]) + more)} |")
        lines += ["", "All of them with line numbers: `failures.csv`."]
    if sheets:
        lines += ["", "## Pictures", "", *(f"![before, map, after]({path.name})" for path in sheets)]
    lines += ["", "## Results", "", "| id | state | seconds | rows | attempts | files |", "|---|---|---|---|---|---|"]
    for row in rows[:BESIDE]:
        seconds = "" if row.seconds is None else f"{row.seconds:.2f}"
        files = ", ".join(f"[{one.path}](<{os.path.relpath(folder / one.path, target)}>)" for one in row.files)
        lines.append(f"| {_cell(row.id)} | {row.state} | {seconds} | {row.forward or ''} | {row.attempts} | {files} |")
    if len(rows) > BESIDE:
        lines += ["", f"The other {len(rows) - BESIDE}: `results.csv`."]
    return "\n".join(lines) + "\n"


def _cost(done: Sequence[Row]) -> list[str]:
    took = sorted(row.seconds for row in done if row.seconds is not None)
    if not took:
        return []
    forward = sum(row.forward or 0 for row in done)
    backward = sum(row.backward or 0 for row in done)
    return [
        f"* {duration(sum(took))} of work, {took[len(took) // 2]:.2f} s a result (median)",
        f"* {forward:,} forward and {backward:,} backward rows of the network",
    ]


def _reasons(rows: Sequence[Row]) -> dict[str, list[str]]:
    """What failed alike together, the most frequent reason first."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        text = row.error or row.reason or row.state
        groups.setdefault(f"{text} ({row.hint})" if row.hint else text, []).append(row.id)
    return dict(sorted(groups.items(), key=lambda one: -len(one[1])))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sheets(folder: Path, target: Path, done: Sequence[Row], most: int | None) -> list[Path]:
    """Contact sheets; where there are too many results, evenly chosen ones."""
    if most is not None and len(done) > most * ON_A_SHEET:
        step = len(done) / (most * ON_A_SHEET)
        done = [done[int(k * step)] for k in range(most * ON_A_SHEET)]
    paths = []
    for number, first in enumerate(range(0, len(done), ON_A_SHEET), 1):
        images, labels = list[Image.Image](), list[str]()
        for row in done[first : first + ON_A_SHEET]:
            for label, path in _pictures(folder, row):
                try:
                    images.append(load_image(path).rgb)
                except ScumbleError:
                    continue
                labels.append(label)
        if images:
            columns = 9 if len(images) > 9 else len(images)
            sheet = contact_sheet(images, labels, columns=columns)
            paths.append(save_image(sheet, target / f"sheet-{number}.png"))
    return paths


def _pictures(folder: Path, row: Row) -> Iterator[tuple[str, Path]]:
    for name, label in (("image", "before"), ("change_map", "map")):
        given = row.body.get(name)
        if isinstance(given, dict) and given.get("path"):
            yield label, Path(given["path"])
    for one in row.files:
        if not one.path.endswith(".json"):
            yield row.id, folder / one.path
            return
