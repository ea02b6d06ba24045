"""The report on a folder of results: an overview, all results, all failures with their reasons, and contact sheets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from scumble.files import atomic_write
from scumble.work.entry import Row
from scumble.work.estimate import duration
from scumble.work.ledger import Ledger
from scumble.work.report_sheets import write_sheets
from scumble.work.report_tables import Link, alike, failures, markdown, reason_of, results, spreadsheet

__all__ = ["write_report"]

IDS = 20
"""Ids that are named for each reason in the overview."""
REASONS = 50
"""Reasons in the overview."""


def write_report(folder: Path, target: Path, all_sheets: bool = False, address: str | None = None) -> list[Path]:
    """Write ``report.md``, ``results`` and ``failures`` as ``.md`` and ``.csv``, and ``sheet-N.png``; return the paths.

    Args:
        folder: The results' and their ledger's.
        target: Where the report goes.
        all_sheets: As many contact sheets as the results need, not three at most.
        address: Where the results are, if that is not the folder.

    Raises:
        InputError: If the folder holds no ledger, or nothing can be written.
    """
    with Ledger.read(folder) as ledger:
        rows = ledger.rows()
        notes = [*_made_on(ledger), *_rounding(ledger, rows)]
        runs = ledger.runs()
    target.mkdir(parents=True, exist_ok=True)
    done = [row for row in rows if row.state == "done"]
    bad = [row for row in rows if row.state in ("failed", "cancelled", "interrupted")]
    sheets = write_sheets(folder, target, done, all_sheets, address)
    heading = [f"# {address or folder.absolute().name}", "", _counts(rows, runs)]
    where = (
        "" if folder.absolute() == target.absolute() else f"{os.path.relpath(folder.absolute(), target.absolute())}/"
    )
    if address is not None:
        where = f"{address.rstrip('/')}/"
    written = [
        _write(target / "report.md", _text([*heading, "", *_cost(done), *notes, *_not_there(bad), *_pictures(sheets),
                                            "", "All results: `results.md`, `results.csv`."])),
        _write(target / "results.md", _text([f"{heading[0]}: results", "", *_results(rows, where)])),
        _write(target / "results.csv", spreadsheet(results(rows, target))),
        _write(target / "failures.md", _text([f"{heading[0]}: what is not there", "", *_failures(bad, target)])),
        _write(target / "failures.csv", spreadsheet(failures(bad, target))),
    ]  # fmt: skip
    return [*written, *(path for path, _ in sheets)]


def _write(path: Path, content: bytes) -> Path:
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(content)
    return path


def _text(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _counts(rows: Sequence[Row], runs: int) -> str:
    states = {state: sum(row.state == state for row in rows) for state in sorted({row.state for row in rows})}
    each = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{len(rows)} requests in {runs} run{'' if runs == 1 else 's'}: {each}."


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


def _made_on(ledger: Ledger) -> list[str]:
    devices = ledger.devices()
    lines = [f"* {count} results made on {device or 'an unknown device'}" for device, count in devices]
    if len(devices) > 1:
        lines.append("* Results of different kinds of devices may differ by a grey level.")
    return lines


def _rounding(ledger: Ledger, rows: Sequence[Row]) -> list[str]:
    """In what results may differ from those of another run."""
    smaller, group, lines = sum(row.batch is not None for row in rows if row.state == "done"), ledger.noted("group"), []
    if smaller:
        lines.append(f"* {smaller} results were made with fewer at once than asked, for want of memory, and may"
                     " differ by a grey level.")  # fmt: skip
    if group is not None:
        lines.append(f"* Up to {group} requests shared the calls of the network (--group): results may differ by a grey"
                     " level from those made one by one; their recipes say how they were shared.")  # fmt: skip
    return lines


def _not_there(bad: Sequence[Row]) -> list[str]:
    if not bad:
        return []
    rows = []
    for reason, some in list(alike(bad).items())[:REASONS]:
        ids = ", ".join(row.id for row in some[:IDS])
        rows.append((len(some), reason, f"{ids}, … ({len(some)} in all)" if len(some) > IDS else ids))
    return ["", "## What is not there", "", *markdown(("requests", "reason", "ids"), rows), "",
            "All of them, with their pictures and lines: `failures.md`, `failures.csv`. When what is wrong is mended,"
            " the same command with `--only failed` makes them."]  # fmt: skip


def _pictures(sheets: Sequence[tuple[Path, str]]) -> list[str]:
    if not sheets:
        return []
    return ["", "## Pictures", *(line for path, title in sheets for line in ("", f"![{title}]({path.name})"))]


def _results(rows: Sequence[Row], where: str) -> list[str]:
    def cells(row: Row) -> tuple[object, ...]:
        seconds = None if row.seconds is None else f"{row.seconds:.2f}"
        files = Link(", ".join(Link.to(one.path, f"{where}{one.path}") for one in row.files))
        return row.id, row.state, seconds, row.forward, row.attempts, row.body.get("seed"), files

    return markdown(("id", "state", "seconds", "rows", "attempts", "seed", "files"), map(cells, rows))


def _failures(bad: Sequence[Row], target: Path) -> list[str]:
    if not bad:
        return ["Nothing failed."]
    names, cells = failures(bad, target)
    named = {row.id: dict(zip(names, one, strict=True)) for row, one in zip(bad, cells, strict=True)}
    of_lines = any(row.source is not None for row in bad)  # a folder of pictures has none
    header, lines = ("line",) * of_lines + ("id", "picture", "map", "attempts", "reason"), list[str]()
    for reason, some in alike(bad).items():
        rows = [
            (one["line"],) * of_lines
            + (row.id, _file(one["image"]), _file(one["map"]), row.attempts, reason_of(row))
            for row in some for one in (named[row.id],)
        ]  # fmt: skip
        lines += [
            f"## {len(some)} request{'' if len(some) == 1 else 's'}: {_plain(reason)}",
            "",
            *markdown(header, rows),
            "",
        ]
    return lines[:-1]


def _file(path: str | None) -> str | None:
    """A link to an input; what stands in the place of one (a map by a number or by words) as it is."""
    return Link.to(Path(path).name, path) if path is not None and ("/" in path or Path(path).suffix) else path


def _plain(reason: str) -> str:
    return reason.replace("<", "&lt;")
