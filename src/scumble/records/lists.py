"""Lists of requests as people write them: JSONL, CSV, or a folder of pictures. Read without any model or torch."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS, READABLE_PICTURES
from scumble.records.problems import ListError, Problem
from scumble.records.request import Request

__all__ = ["Found", "Line", "Patterns", "read_folder", "read_list", "read_recipes", "read_text"]

LONGEST_LINE = 1 << 20
MOST_LINES = 5_000_000
DEEPEST = 32
PROMPT_LENGTH = 4_000
VERSION = 1


@dataclass(frozen=True)
class Line:
    """One request as it was written.

    Attributes:
        source: The list, for messages.
        number: Line in it, from 1.
        fields: What was written.
        base: Folder that its paths are relative to.
        name: Its id, where the list's form gives one.
        cells: The values are a table's cells: text that is still to be read by the field's type.
        recipe: A picture whose recipe is the request.
    """

    source: str
    number: int | None
    fields: Mapping[str, Any]
    base: str
    name: str | None = None
    cells: bool = False
    recipe: str | None = None


@dataclass
class Found:
    """What a list holds: its requests, the defaults in its header, and remarks for the person."""

    lines: list[Line] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Patterns:
    """How the files that belong to a picture are called, relative to its folder.

    ``{stem}``, ``{name}``, ``{ext}`` and ``{parent}`` stand for parts of the picture's name; ``*`` for anything.
    """

    maps: str | None = None
    prompts: str | None = None
    inversions: str | None = None
    maps_optional: bool = False


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


def _objects(text: str, source: str, base: str) -> Found:
    gathered, problems = Found(), list[Problem]()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "//")):
            continue
        try:
            value = _object(stripped)
        except InputError as error:
            problems.append(Problem(source, number, str(error)))
            continue
        if "scumble-batch" in value:
            if gathered.lines or gathered.defaults:
                problems.append(Problem(source, number, "the header must be the first object of the list"))
            else:
                problems += [Problem(source, number, one) for one in _header(value)]
                gathered.defaults = dict(value.get("defaults") or {}) if not problems else {}
            continue
        gathered.lines.append(Line(source, number, value, base))
        if len(gathered.lines) > MOST_LINES:
            raise ListError([Problem(source, number, f"the list is longer than {MOST_LINES} requests: divide it")])
    if problems:
        raise ListError(problems)
    return gathered


def _object(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_LINE:
        raise InputError(f"the line is longer than {LONGEST_LINE} characters")
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except InputError:
        raise
    except RecursionError as error:
        raise InputError(f"is nested deeper than {DEEPEST} levels") from error
    except ValueError as error:
        raise InputError(f"is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f'is no JSON object but a {type(value).__name__}: write {{"image": …}} on each line')
    if _depth(value) > DEEPEST:
        raise InputError(f"is nested deeper than {DEEPEST} levels")
    return value


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"gives {twice!r} twice")
    return value


def _no_constant(name: str) -> Any:
    raise InputError(f"holds {name}, which is no number of JSON")


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting += [(x, depth + 1) for x in inner]
    return deepest


def _header(value: Mapping[str, Any]) -> list[str]:
    version = value["scumble-batch"]
    if version != VERSION:
        return [f"the list has version {version!r}, this version of scumble reads {VERSION}: use the newer scumble"]
    unknown = [name for name in value if name not in ("scumble-batch", "defaults")]
    if unknown:
        return [f"the header knows no {unknown[0]!r}; it has: scumble-batch, defaults"]
    if not isinstance(value.get("defaults", {}), dict):
        return ["the header's defaults must be an object"]
    return []


def _table(text: str, source: str, base: str) -> Found:
    first = next(csv.reader(io.StringIO(text)), None)
    if not first:
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
        raise ListError(problems)
    return gathered


def _delimiter(header: str) -> str:
    """The one of ``, ; tab`` under which most names of the header are known."""
    known = {*Request.model_fields, "prompt", "strength", "negative_prompt", "guidance_scale", "num_inference_steps"}

    def score(delimiter: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in header.split(delimiter)]
        return sum(name in known or name.startswith("label.") for name in names), len(names)

    return max(",;\t", key=score)


def read_folder(
    folder: Path,
    patterns: Patterns = Patterns(),
    *,
    recursive: bool = False,
    without: Iterable[Path] = (),
) -> Found:
    """Find the pictures of a folder, and the map, the prompt and the inversion that belong to each.

    Hidden files, folders called ``.scumble``, what is below ``without``, and what was matched as a map are left out.

    Raises:
        ListError: Where a pattern matches nothing or several files, or the picture itself.
    """
    barred = [path.resolve() for path in without]
    pictures = [
        path
        for path in (folder.rglob("*") if recursive else folder.iterdir())
        if path.suffix.lower() in READABLE_PICTURES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not any(path.resolve().is_relative_to(one) for one in barred)
    ]
    pictures.sort(key=lambda path: path.relative_to(folder).as_posix().encode())
    maps = {picture: _matching(picture, patterns.maps) for picture in pictures} if patterns.maps else {}
    taken = {match for picture, matches in maps.items() for match in matches if match != picture}
    gathered, problems = Found(), list[Problem]()
    for picture in pictures:
        if picture in taken:
            continue
        name = picture.relative_to(folder).as_posix()
        fields: dict[str, Any] = {"image": name}
        try:
            if patterns.maps and (match := _map(picture, patterns.maps, patterns.maps_optional)) is not None:
                fields["change_map"] = match.relative_to(folder).as_posix()
            if patterns.inversions:
                inversion = _one(picture, patterns.inversions, "inversion")
                fields["inversion"] = None if inversion is None else inversion.relative_to(folder).as_posix()
            if patterns.prompts:
                fields["prompt"] = _prompt(_one(picture, patterns.prompts, "prompt"))
        except InputError as error:
            problems.append(Problem(name, None, str(error)))
            continue
        gathered.lines.append(Line(name, None, fields, str(folder.absolute()), name=name[: -len(picture.suffix)]))
    if problems:
        raise ListError(problems)
    if not gathered.lines:
        raise InputError(f"the folder {folder} holds no pictures ({', '.join(READABLE_PICTURES)})")
    return gathered


def _matching(picture: Path, pattern: str) -> list[Path]:
    parts = {"stem": picture.stem, "name": picture.name, "ext": picture.suffix[1:], "parent": picture.parent.name}
    unknown = [name for name in re.findall(r"\{([^{}]*)\}", pattern) if name not in parts]
    if unknown:
        raise InputError(
            f"the pattern {pattern!r} knows no {{{unknown[0]}}}; it knows {{stem}}, {{name}}, {{ext}}, {{parent}}"
        )
    text = re.sub(r"\{(\w+)\}", lambda match: escape(parts[match[1]]), pattern)
    if Path(text).is_absolute():
        raise InputError(f"the pattern {pattern!r} must be relative to the picture's folder")
    return sorted(path for path in picture.parent.glob(text) if path.is_file())


def _map(picture: Path, pattern: str, optional: bool) -> Path | None:
    return None if optional and not _matching(picture, pattern) else _one(picture, pattern, "map")


def _one(picture: Path, pattern: str, what: str) -> Path:
    matches = _matching(picture, pattern)
    if matches == [picture]:
        raise InputError(f"the {what} pattern {pattern!r} matches the picture itself")
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise InputError(f"no {what} matches {pattern!r}")
    raise InputError(f"several match {pattern!r} as its {what}: {', '.join(path.name for path in matches[:5])}")


def _prompt(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the prompt {path.name} cannot be read as UTF-8 text") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if len(text) > PROMPT_LENGTH:
        raise InputError(f"the prompt {path.name} is longer than {PROMPT_LENGTH} characters")
    return text


def read_recipes(paths: Iterable[Path]) -> Found:
    """Take finished pictures as requests: each is asked for its recipe, and is to be made again."""
    gathered = Found()
    for path in paths:
        where = str(path.absolute().parent)
        gathered.lines.append(Line(path.name, None, {}, where, name=path.stem, recipe=str(path.absolute())))
    return gathered


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder that can hold a recipe, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_FORMATS and path.name[0] != ".")
