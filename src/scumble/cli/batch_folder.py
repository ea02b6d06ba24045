"""``scumble batch --status FOLDER`` and its like: look at a folder of results, or ask something of its run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from scumble.errors import InputError
from scumble.work.asks import ask
from scumble.work.estimate import remaining
from scumble.work.ledger import Ledger
from scumble.work.sink import home_of, is_address

__all__ = ["look"]

RECENT = 600.0
"""Seconds over which the rate is taken."""
LAST = 5
"""So many of the last failures are shown."""


def look(
    results: str,
    *,
    status: Annotated[bool, Parameter(negative="")] = False,
    report: Annotated[bool, Parameter(negative="")] = False,
    rebuild: Annotated[bool, Parameter(negative="")] = False,
    pause: Annotated[bool, Parameter(negative="")] = False,
    resume: Annotated[bool, Parameter(negative="")] = False,
    cancel: str | None = None,
    all_sheets: Annotated[bool, Parameter(negative="")] = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Look at a folder of results, or ask something of its run.

    Parameters
    ----------
    results
        The folder (or address) that scumble batch -o or the studio fills.
    status
        How many are done, how fast, how long still, what failed.
    report
        Write report.md, results and failures as .md and .csv, and contact sheets.
    rebuild
        Make the ledger anew from the pictures.
    pause
        Hand out nothing more until --resume.
    resume
        Go on.
    cancel
        Id of a request that is not to be made.
    all_sheets
        As many contact sheets as the pictures need, not three at most.
    output
        Where the report goes; the folder itself by default (this one for results at an address).
    as_json
        Print the status as JSON.
    """
    folder = home_of(results)
    if rebuild:
        from scumble.work.rebuild import rebuild as again

        count = again(folder)
        print(f"{count} results are in the ledger again; failures and what was queued are not: give the list once more")
    elif report:
        from scumble.work.report import write_report

        address = results if is_address(results) else None
        for path in write_report(folder, output or (folder if address is None else Path.cwd()), all_sheets, address):
            print(path)
    elif pause or resume or cancel is not None:
        _ask(folder, "pause" if pause else "resume" if resume else "cancel", cancel)
    elif status:
        _status(folder, as_json)
    else:
        raise InputError("say what to look at: --status, --report, --rebuild, --pause, --resume or --cancel ID")


def _ask(folder: Path, what: str, name: str | None) -> None:
    with Ledger.read(folder) as ledger:
        row = None if name is None else ledger.find(name)
        busy = ledger.holder()
    if name is not None and row is None:
        raise InputError(f"there is no request {name!r} in {folder}")
    if busy is not None:
        ask(folder, what, id=name)
        print(f"asked of {busy}")
        return
    with Ledger.open(folder, f"scumble batch --{what}") as ledger:
        if row is not None:
            print(ledger.cancel(row.number))
        else:
            ledger.pause("asked for" if what == "pause" else None)
            print("paused" if what == "pause" else "not paused")


def _status(folder: Path, as_json: bool) -> None:
    with Ledger.read(folder) as ledger:
        counts, busy = ledger.counts(), ledger.holder()
        at, rate = ledger.at_work(), ledger.finished_since(RECENT) / (RECENT / 60)
        left = remaining(ledger, max(1, len({worker for worker, _ in at})))
        failed = ledger.rows("failed", latest=True, limit=LAST)
        paused = ledger.paused()
    if as_json:
        times = None if left is None else [left.low, left.high]
        record = {"counts": counts, "driver": busy, "paused": paused, "rate": rate, "remaining": times}
        record["unmeasured"] = 0 if left is None else left.unknown
        at_json = [{"worker": worker, "id": name} for worker, name in at]
        failures = [{"id": row.id, "error": row.error, "hint": row.hint} for row in failed]
        print(json.dumps({**record, "at": at_json, "failed": failures}))
        return
    say: Callable[[str], None] = print
    table = Table("state", "requests", box=None, pad_edge=False)
    for state, count in counts.items():
        if count:
            table.add_row(state, str(count))
    Console(file=sys.stdout, width=100).print(table)
    say(f"driver: {busy or 'none; run the same command to go on'}{f'; paused: {paused}' if paused else ''}")
    if rate and busy:
        say(f"rate: {rate:.1f} a minute")
    if counts["queued"] + counts["running"]:
        say(
            f"remaining: {left or 'not known yet'} for {counts['queued'] + counts['running']} of {sum(counts.values())}"
        )
    for worker, name in at:
        say(f"  {worker}: {name}")
    for row in failed:
        say(f"failed: {row.id}: {row.error}{f' ({row.hint})' if row.hint else ''}")
