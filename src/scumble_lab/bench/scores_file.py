"""A report's ``scores.csv`` read back: figures outlive the pictures that they are of."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from scumble.errors import InputError
from scumble_lab.bench.case import Case
from scumble_lab.bench.collect import COSTS, Collected, Row
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.score import METRICS

__all__ = ["read_scores"]


def read_scores(path: Path, benchmark: Benchmark) -> Collected:
    """The results that a `scores.csv` lists of the cases of a benchmark; a figure that is not there is nan.

    Raises:
        InputError: if it is missing, is no such file, or has none of the benchmark's cases.
    """
    cases = {case.id: case for case in benchmark.cases}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [_row(line, cases[line["case"]]) for line in csv.DictReader(file) if line["case"] in cases]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is no scores.csv of a report: {error}") from error
    if not rows:
        raise InputError(f"{path} has no case of the benchmark {benchmark.name}")
    return Collected(benchmark, rows, [], {})


def _row(line: Mapping[str, str], case: Case) -> Row:
    cells = {name: line[name] for name in (*METRICS, *COSTS) if name in line}
    figures = {name: float(cell) if cell else math.nan for name, cell in cells.items()}
    return Row(line["editor"], case, {} if line["error"] else figures, line["error"] or None)
