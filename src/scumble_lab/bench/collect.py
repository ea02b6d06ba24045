"""Everything that results add up to: their figures and costs, what failed, what is missing, what is odd."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from scumble.errors import InputError, ScumbleError, nearest
from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.classifier import Reading
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.formatting import counted
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.readers.pie_bench import jpeg
from scumble_lab.bench.results import find_results, result_picture
from scumble_lab.bench.score import METRICS, score
from scumble_lab.bench.score_cache import ScoreFile, sample_print

__all__ = ["COSTS", "Collected", "Row", "collect", "csv_text"]

COSTS = ("forward_rows", "backward_rows", "seconds", "peak_bytes")


@dataclass(frozen=True)
class Row:
    """One result: its figures and its cost, or why there is none."""

    editor: str
    case: Case
    figures: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def task(self) -> str:
        """The kind of edit."""
        return self.case.task


@dataclass
class Collected:
    """All results of a benchmark.

    Attributes:
        benchmark: What was asked for.
        rows: Every result, editor by editor.
        notices: Missing, extra and unusable files, judges that are missing; one line each.
        about: What the run recorded of machine, commit and models.
    """

    benchmark: Benchmark
    rows: list[Row]
    notices: list[str]
    about: dict[str, Any]

    @property
    def editors(self) -> list[str]:
        """Who has results: ours in their order, then others by name."""
        names = dict.fromkeys(row.editor for row in self.rows)
        return [n for n in EDITORS if n in names] + sorted(n for n in names if n not in EDITORS)

    def among(self, editors: Iterable[str]) -> Collected:
        """The results of the cases that any of these editors has figures of."""
        cases = {row.case.id for name in editors for row in self.of(name)}
        return replace(self, rows=[row for row in self.rows if row.case.id in cases])

    def of(self, editor: str, tasks: Iterable[str] | None = None) -> list[Row]:
        """The results of an editor that have figures, of all tasks or some."""
        wanted = None if tasks is None else set(tasks)
        rows = [row for row in self.rows if row.editor == editor and row.error is None]
        return [row for row in rows if wanted is None or row.task in wanted]

    def values(self, editor: str, figure: str, tasks: Iterable[str] | None = None) -> list[float]:
        """One figure of an editor's results that have it."""
        return [row.figures[figure] for row in self.of(editor, tasks) if figure in row.figures]


def collect(
    benchmark: Benchmark, judges: Judges, names: Sequence[str] | None = None, jpeg_compat: bool = False
) -> Collected:
    """Score all results that are there.

    Raises:
        InputError: if there are none, or none of a name that was given.
    """
    there = (
        sorted(path.name for path in benchmark.results.glob("*") if path.is_dir()) if benchmark.results.is_dir() else []
    )
    if not there:
        raise InputError(
            f"there are no results in {benchmark.results}: scumble bench run {benchmark.folder} makes them"
        )
    for name in names or ():
        if name not in there:
            raise InputError(f"there are no results of {name!r}{nearest(name, there)}; there are: {', '.join(there)}")
    notices = [*benchmark.notices, *judges.notices]
    chosen = [name for name in there if names is None or name in names]
    results_of = {name: find_results(benchmark, name, _asked(benchmark, name)) for name in chosen}
    rows = []
    for name, results in results_of.items():
        rows += [Row(name, _case(benchmark, case), error=why) for case, why in results.errors.items()]
        if results.missing:
            remark = counted(len(results.missing), "missing result")
            notices.append(f"{name}: {remark}, the first is {results.missing[0]}.png")
        if results.extra:
            remark = counted(len(results.extra), "file")
            notices.append(f"{name}: {remark} of no case left out: {', '.join(results.extra[:3])}")
    for case in benchmark.cases:
        makers = [name for name, results in results_of.items() if case.id in results.pictures]
        if makers:
            try:
                sample = benchmark.load(case)
            except ScumbleError as error:
                notices.append(f"the case {case.id} was left out: {error}")
                continue
            rows += _score_case(benchmark, sample, makers, judges, jpeg_compat)
    return Collected(benchmark, rows, notices, _about(benchmark))


def _asked(benchmark: Benchmark, name: str) -> list[Case] | None:
    """The cases that an editor should have results for: of ours those of its tasks that were begun, else all."""
    if name not in EDITORS:
        return None
    begun = {path.stem for path in (benchmark.results / name).glob("*.*")}
    return [case for case in benchmark.cases if case.id in begun]


def _case(benchmark: Benchmark, name: str) -> Case:
    return next(case for case in benchmark.cases if case.id == name)


def _score_case(
    benchmark: Benchmark, sample: Sample, makers: Sequence[str], judges: Judges, jpeg_compat: bool
) -> list[Row]:
    """All editors' results of one case; those that were scored before by the same judges are not scored again."""
    case = sample.case
    base = f"{sample_print(sample)} {judges.fingerprint} {benchmark.style} {jpeg_compat}"
    score_file = ScoreFile(benchmark.folder, case.id, base)
    by_editor: dict[str, dict[str, float]] = {}
    pictures: dict[str, tuple[Image.Image, bytes]] = {}
    rows = []
    for name in makers:
        try:
            picture = result_picture(benchmark, name, sample)
        except ScumbleError as error:
            rows.append(Row(name, case, error=str(error)))
            continue
        content = picture.tobytes()
        figures = score_file.get(name, content)
        if figures is None:
            pictures[name] = (jpeg(picture) if jpeg_compat else picture, content)
        else:
            by_editor[name] = figures
    readings = judges.readings([picture for picture, _ in pictures.values()]) if case.after is not None else None
    for k, (name, (picture, content)) in enumerate(pictures.items()):
        read: Reading | None = None if readings is None else readings[k]
        by_editor[name] = score(sample, picture, judges, read, benchmark.style)
        score_file.put(name, content, by_editor[name])
    score_file.save()
    rows += [Row(name, case, by_editor[name] | _cost(benchmark, name, case)) for name in makers if name in by_editor]
    return rows


def _cost(benchmark: Benchmark, editor: str, case: Case) -> dict[str, float]:
    record = _record(benchmark.results / editor / f"{case.id}.json")
    cost = record.get("cost")
    known = cost if isinstance(cost, dict) else {}
    return {key: float(known[key]) for key in COSTS if isinstance(known.get(key), int | float)}


def _about(benchmark: Benchmark) -> dict[str, Any]:
    return _record(benchmark.results / "run.json")


def _record(path: Path) -> dict[str, Any]:
    """A JSON file's mapping; empty if it is missing or none, since other software writes its own."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def csv_text(collected: Collected) -> str:
    """One line per result, one column per figure; empty where it is not defined."""
    names = [n for n in (*METRICS, *COSTS) if any(n in row.figures for row in collected.rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["editor", "task", "case", *names, "error"])
    for row in collected.rows:
        figures = [row.figures.get(n) for n in names]
        cells = ["" if x is None or x != x else f"{x:.6g}" for x in figures]
        writer.writerow([row.editor, row.task, row.case.id, *cells, row.error or ""])
    return out.getvalue()
