"""Twelve results of each method that nobody chose: the first cases of the run, whatever became of them."""

from __future__ import annotations

from collections.abc import Sequence

from scumble_lab.bench.case import Case
from scumble_lab.bench.collect import Collected, Row
from scumble_lab.bench.report.grids import Grid, Line, Strip, asks, with_points
from scumble_lab.bench.report.groups import Group, few
from scumble_lab.bench.report.tables import Table
from scumble_lab.bench.results import result_picture

__all__ = ["COUNT", "ENOUGH", "first_cases", "tally", "unchosen"]

COUNT = 12
"""Cases on a sheet."""
ENOUGH = 9
"""So many of them should do what the words say."""

_NOTE = (
    "Of the first {count} cases in the order of the run, one of each task and then the next of each: how many show what"
    " was asked for, as the classifier reads them. {enough} of {count} are aimed at."
)


def first_cases(collected: Collected, group: Group) -> list[Case]:
    """The first cases of a group's tasks, task by task in turn, of those where success is judged."""
    judged = {
        row.case.id for name in group.names for row in collected.of(name, group.tasks) if "success" in row.figures
    }
    by_task = [[c for c in collected.benchmark.cases if c.task == task and c.id in judged] for task in group.tasks]
    rounds = range(max(map(len, by_task), default=0))
    return [cases[k] for k in rounds for cases in by_task if k < len(cases)][:COUNT]


def unchosen(collected: Collected, group: Group) -> Grid | None:
    """The sources of the first cases, the true results and beneath them every method's; None where there are none."""
    cases = first_cases(collected, group)
    names = _complete(collected, group)
    if not cases or not names:
        return None
    samples = [collected.benchmark.load(case) for case in cases]
    lines = [
        Line("source", "", tuple(Strip((with_points(sample),)) for sample in samples)),
        Line("true result", "", tuple(Strip((sample.target,)) for sample in samples)),
    ]
    for name in names:
        rows = _rows(collected, name)
        strips = []
        for sample in samples:
            row = rows.get(sample.case.id)
            picture = None if row is None else result_picture(collected.benchmark, name, sample)
            strips.append(Strip((picture,), _mark(row)))
        lines.append(Line(name, "", tuple(strips)))
    return Grid(group.title, f"{group.key}-twelve", tuple((asks(case),) for case in cases), tuple(lines))


def tally(collected: Collected, groups: Sequence[Group]) -> Table:
    """How many of the first cases of each method show what was asked for."""
    lines = []
    for group in groups:
        cases = first_cases(collected, group)
        for name in _complete(collected, group) if cases else ():
            rows = _rows(collected, name)
            done = [rows[case.id].figures.get("success", 0.0) for case in cases if case.id in rows]
            enough = "yes" if sum(done) >= ENOUGH * len(done) / COUNT else "no"
            lines.append((group.called, name, f"{sum(done):.0f} of {len(done)}", enough))
    note = _NOTE.format(count=COUNT, enough=ENOUGH)
    return Table("", note, ("methods", "method", "asked for and there", "enough"), tuple(lines))


def _complete(collected: Collected, group: Group) -> list[str]:
    behind = few(collected, group.names, group.tasks)
    return [name for name in group.names if name not in behind]


def _rows(collected: Collected, name: str) -> dict[str, Row]:
    return {row.case.id: row for row in collected.of(name)}


def _mark(row: Row | None) -> str:
    if row is None or row.figures.get("success") is None:
        return ""
    return "yes" if row.figures["success"] else "no"
