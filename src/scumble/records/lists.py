"""Lists of requests as people write them: JSONL, CSV, or a folder of pictures. Read without any model or torch."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from scumble.errors import InputError
from scumble.records.list_lines import Found, Line
from scumble.records.list_objects import _objects
from scumble.records.problems import ListError, Problem
from scumble.records.request import Request

__all__ = ["read_list", "read_text"]


def read_list(path: Path, base: Path | None = None) -> Found:
    """Read a ``.jsonl``, ``.ndjson``, ``.csv`` or ``.tsv`` file.

    Args:
        path: The file.
        base: Folder that its paths are relative to; by default the file's.

    Raises:
        ListError: With every line that cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".ndjson", ".csv", ".tsv"):
        raise InputError(f"{path.name} is no list: give .jsonl, .csv, .tsv, a folder of pictures, or pictures to redo")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"the list {path} cannot be read: {error.strerror or error}") from error
    return read_text(data, path.name, base or path.absolute().parent, table=kind in (".csv", ".tsv"))


def read_text(data: bytes, source: str, base: Path, *, table: bool = False) -> Found:
    """Read a list from its bytes: UTF-8, an object a line, or (``table``) a header and rows.

    Raises:
        ListError: With every line that cannot be read.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise ListError([Problem(source, number, "is not UTF-8 text: save the list as UTF-8")]) from error
    return _table(text, source, str(base)) if table else _objects(text, source, str(base))


def _table(text: str, source: str, base: str) -> Found:
    if not text.partition("\n")[0].strip():
        raise ListError([Problem(source, 1, "is empty: the first line must name the columns")])
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text.splitlines()[0]), strict=True)
    gathered, problems = Found(), list[Problem]()
    begins = 1
    try:
        header = [name.strip() for name in next(reader)]
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None or "" in header:
            what = f"the column {twice!r} is there twice" if twice else "a column has no name"
            raise ListError([Problem(source, 1, what)])
        begins = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                if len(row) != len(header):
                    problems.append(Problem(source, begins, f"has {len(row)} cells, the header names {len(header)}"))
                else:
                    given = {name: cell for name, cell in zip(header, row, strict=True) if cell != ""}
                    gathered.lines.append(Line(source, begins, given, base, cells=True))
            begins = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(source, begins, f"is no CSV: {error}"))
    if problems:
        raise ListError(problems, gathered)
    return gathered


def _delimiter(header: str) -> str:
    """The one of ``, ; tab`` under which most names of the header are known."""
    known = {*Request.model_fields, "prompt", "strength", "negative_prompt", "guidance_scale", "num_inference_steps"}

    def score(delimiter: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in header.split(delimiter)]
        return sum(name in known or name.startswith("label.") for name in names), len(names)

    return max(",;\t", key=score)
