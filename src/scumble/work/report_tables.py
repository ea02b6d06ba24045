"""What became of requests, as tables: CSV for programs and spreadsheets, Markdown to read."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scumble.work.entry import Row

__all__ = ["Columns", "alike", "failures", "markdown", "reason_of", "results", "spreadsheet"]

Columns = tuple[list[str], list[list[Any]]]
"""Names and rows."""
BETWEEN = "|"
"""Between several files in a cell: no name of a result holds it."""


def results(rows: Sequence[Row], target: Path) -> Columns:
    """All that is known of every request; paths of inputs relative to ``target``."""
    names = ["id", "line", "state", "reason", "files", "method", "seed", "image", "map", "prompt", "model", "attempts",
             "batch", "seconds", "forward", "backward", "peak_bytes", "worker", "error"]  # fmt: skip
    labels = _labels(rows)
    cells = [
        [row.id, row.source, row.state, row.reason, BETWEEN.join(one.path for one in row.files),
         row.body.get("method"), row.body.get("seed"), _file(row, "image", target), _file(row, "change_map", target),
         _prompt(row), row.model, row.attempts, row.batch, None if row.seconds is None else round(row.seconds, 3),
         row.forward, row.backward, row.peak, row.worker, row.error, *_labelled(row, labels)]
        for row in rows
    ]  # fmt: skip
    return [*names, *(f"label.{name}" for name in labels)], cells


def failures(rows: Sequence[Row], target: Path) -> Columns:
    """Why results are not there, and what they were to be made from."""
    labels = _labels(rows)
    names = ["line", "id", "state", "reason", "error", "hint", "attempts", "image", "map", "prompt", "seed"]
    cells = [
        [row.source, row.id, row.state, row.reason, row.error, row.hint, row.attempts, _file(row, "image", target),
         _file(row, "change_map", target), _prompt(row), row.body.get("seed"), *_labelled(row, labels)]
        for row in rows
    ]  # fmt: skip
    return [*names, *(f"label.{name}" for name in labels)], cells


def spreadsheet(columns: Columns) -> bytes:
    """CSV in UTF-8; marked as that where it is not plain ASCII, which spreadsheets would misread otherwise."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns[0])
    writer.writerows([["" if cell is None else cell for cell in row] for row in columns[1]])
    return text.getvalue().encode("utf-8" if text.getvalue().isascii() else "utf-8-sig")


def markdown(names: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table; what stands in its cells is text, not markup, unless it is a :class:`Link`."""
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return [*lines, *(f"| {' | '.join(_cell(one) for one in row)} |" for row in rows)]


class Link(str):
    """A cell that is markup already."""

    @classmethod
    def to(cls, text: str, path: str) -> Link:
        """A link to a file."""
        return cls(f"[{_cell(text)}](<{path.replace('>', '%3E').replace('<', '%3C')}>)")


def reason_of(row: Row) -> str:
    """Why a result is not there, with what to do about it."""
    text = row.error or row.reason or row.state
    return f"{text} ({row.hint})" if row.hint else text


def alike(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """What failed for the same reason together, the most frequent first; in a reason, what differs is ``…``.

    Names of a request's own files and numbers do not make two reasons of one.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_without_names(row), []).append(row)
    together = sorted(groups.items(), key=lambda one: -len(one[1]))
    return {texts.pop() if len(texts := {reason_of(row) for row in some}) == 1 else text: some
            for text, some in together}  # fmt: skip


def _without_names(row: Row) -> str:
    text = reason_of(row)
    own = [row.id, *(Path(path).name for path in _paths(row.body))]
    for name in sorted(filter(None, own), key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "…", text)
    return re.sub(r"\d+(\.\d+)?", "…", text)


def _paths(value: Any) -> Iterable[str]:
    """The path of every file in a request."""
    if isinstance(value, Mapping):
        if isinstance(value.get("path"), str):
            yield value["path"]
        for one in value.values():
            yield from _paths(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _paths(one)


def _file(row: Row, field: str, target: Path) -> str | None:
    """A file of a request relative to the report; or what stands in its place (a number, words)."""
    given = row.body.get(field)
    if not isinstance(given, Mapping):
        return None if given is None else str(given)
    if given.get("words"):
        return str(given["words"])
    if not given.get("path"):
        return None
    try:
        return os.path.relpath(given["path"], target)
    except ValueError:  # on another drive
        return str(given["path"])


def _prompt(row: Row) -> str | None:
    given = (row.body.get("parameters") or {}).get("prompt")
    return given if given is None or isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _labels(rows: Sequence[Row]) -> list[str]:
    return sorted({name for row in rows for name in row.body.get("labels") or {}})


def _labelled(row: Row, labels: Sequence[str]) -> list[str | None]:
    return [(row.body.get("labels") or {}).get(name) for name in labels]


def _cell(value: object) -> str:
    if value is None or isinstance(value, Link):
        return value or ""
    text = " ".join(str(value).split())
    return re.sub(r"([\\|`*\[\]])", r"\\\1", text).replace("<", "&lt;")
