"""Means over the rows of a report's file, as a table: a line for each value of one column, figures beside it."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scumble_lab.bench.statistics import mean_of

Row = Mapping[str, str]
COSTS = ("forward_rows", "backward_rows", "seconds")
"""Costs, which have no interval."""


def means(source: Path, given: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and lines of the table.

    Args:
        source: The file; results with an ``error`` are left out.
        given: ``where`` (column: values that count), ``lines`` (the column whose values head the lines, in the order of
            ``where``; those without results are left out), perhaps ``split`` (columns whose values stand beside each
            other) and ``figures`` (label: column, scale, digits, unit).

    Raises:
        SystemExit: if the file lacks a column or holds no row of any line.
    """
    with source.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row.get("error")]
    where, lines, split = given["where"], given["lines"], given.get("split", [])
    wanted = {*where, *(column for column, *_ in given["figures"].values())}
    if missing := wanted - set(rows[0]):
        raise SystemExit(f"{source} has no column {', '.join(sorted(missing))}")
    rows = [row for row in rows if all(row[column] in values for column, values in where.items())]
    ways = list(itertools.product(*(where[column] for column in split)))
    body = []
    for value in where[lines]:
        mine = [row for row in rows if row[lines] == value]
        if not mine:
            continue
        name = given.get("names", {}).get(value, f"`{value}`")
        body.append([name, *(beside(mine, split, ways, given) if split else each(mine, given["figures"]))])
    if not body:
        raise SystemExit(f"{source} has no results of {', '.join(where[lines])}")
    heads = [", ".join(way) for way in ways] if split else ["edits", *given["figures"]]
    return [given["head"], *heads], body


def each(rows: Sequence[Row], figures: Mapping[str, Any]) -> list[str]:
    """How many rows, then each figure with its 95 % interval."""
    return [str(len(rows)), *(mean(rows, *figure, interval=True) for figure in figures.values())]


def beside(
    rows: Sequence[Row], split: Sequence[str], ways: Sequence[tuple[str, ...]], given: Mapping[str, Any]
) -> list[str]:
    """For each way all figures in one cell."""
    cells = []
    for way in ways:
        mine = [row for row in rows if all(row[column] == value for column, value in zip(split, way, strict=True))]
        cells.append(f"{', '.join(mean(mine, *figure) for figure in given['figures'].values())} ({len(mine)})")
    return cells


def mean(rows: Sequence[Row], column: str, scale: float, digits: int, unit: str = "", interval: bool = False) -> str:
    """A figure's mean over the rows that have it; a dash where none has."""
    values = [float(row[column]) for row in rows if row[column]]
    if interval and column not in COSTS:
        return mean_of(values).text(digits, scale)
    value = sum(values) / len(values) if values else math.nan
    return "–" if math.isnan(value) else f"{scale * value:.{digits}f}{unit}"
