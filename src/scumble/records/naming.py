"""Ids, seeds and file names of the requests of a list: fixed by what was written, the same on every machine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from scumble.files import PICTURE_FORMATS
from scumble.hashing import sha256
from scumble.records.list_lines import Line
from scumble.records.problems import Problem
from scumble.records.request import Request, drawn_seed

__all__ = ["Named", "check_id", "name_requests", "output_names"]

DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{k}" for kind in ("com", "lpt") for k in range(1, 10))}
PART = 200
"""Bytes of a part of a file name, at most."""
CROWD = 50_000
"""More names than this in one folder are slow to list."""
FIELDS = ("id", "stem", "parent", "seed", "method", "line", "shard")


@dataclass(frozen=True)
class Named:
    """A request with its id, seed and output settled, and where it came from."""

    line: Line
    request: Request
    at: Mapping[str, str]

    @property
    def output(self) -> str:
        """The settled output."""
        return self.request.output or ""


def name_requests(
    settled: Sequence[tuple[Line, Request, Mapping[str, str]]], pattern: str | None = None
) -> tuple[list[Named], list[Problem], list[str]]:
    """Give every request its id, seed and output; return them, what is wrong, and remarks.

    Args:
        settled: Line, request without these, and where its files are.
        pattern: Of output names: ``{id} {stem} {parent} {seed} {method} {line} {shard} {label.X}``.
    """
    named, problems = list[Named](), list[Problem]()
    ids: dict[str, Line] = {}
    drawn = 0
    for line, request, at in settled:
        name = request.id or line.name or f"{_stem(request)}-{request.line()[:8]}"
        wrong = check_id(name)
        if wrong is not None:
            problems.append(Problem(line.source, line.number, wrong))
            continue
        if name in ids:
            problems.append(Problem(line.source, line.number, _twice(name, request.id, ids[name])))
            continue
        ids[name] = line
        drawn += request.seed is None
        seed = drawn_seed(name) if request.seed is None else request.seed
        request = request.model_copy(update={"id": name, "seed": seed})
        output = request.output or (_pattern(pattern, request, line) if pattern else f"{name}.png")
        wrong = _check_output(output)
        if wrong is not None:
            problems.append(Problem(line.source, line.number, wrong))
            continue
        named.append(Named(line, request.model_copy(update={"output": output}), at))
    problems += _collisions(named)
    return named, problems, _remarks(named, drawn)


def check_id(name: str) -> str | None:
    """What is wrong with an id, or None."""
    if not 1 <= len(name) <= 150:
        return f"the id must have 1 to 150 characters, got {len(name)}"
    for part in name.split("/"):
        if not part or part.startswith(".") or part.split(".")[0].lower() in DEVICES:
            return (
                f"the id {name!r} cannot be a file name: no part may be empty, begin with a dot or be called {part!r}"
            )
    if re.search(r"[\x00-\x1f\\:*?\"<>|]", name):
        return f"the id {name!r} holds characters that no file name may have"
    return None


def output_names(output: str, count: int) -> list[str]:
    """The names of a result's files, as ``Result.save`` gives them."""
    path = PurePosixPath(output)
    return [output] if count == 1 else [str(path.with_name(f"{path.stem}-{k}{path.suffix}")) for k in range(count)]


def _stem(request: Request) -> str:
    for ref in (request.image, request.inversion):
        if ref is not None and ref.path:
            stem = PurePosixPath(ref.path.replace("\\", "/")).name.split(".")[0]
            return re.sub(r"[^A-Za-z0-9._-]", "_", stem).lstrip(".") or "picture"
    return request.method


def _twice(name: str, given: str | None, first: Line) -> str:
    where = f"line {first.number}" if first.number is not None else first.source
    if given is not None:
        return f"the id {name!r} is that of {where}, too"
    return f"is the same request as {where}: give one of them an id"


def _pattern(pattern: str, request: Request, line: Line) -> str:
    image = PurePosixPath(request.image.path or "") if request.image is not None else PurePosixPath("")
    name = request.id or ""
    values: dict[str, Any] = {
        "id": name,
        "stem": image.stem or request.method,
        "parent": image.parent.name,
        "seed": request.seed,
        "method": request.method,
        "line": line.number if line.number is not None else "",
        "shard": sha256(name)[:3],
        **{f"label.{key}": value for key, value in request.labels.items()},
    }
    return re.sub(r"\{([\w.]+)\}", lambda match: str(values.get(match[1], match[0])), pattern)


def _check_output(output: str) -> str | None:
    path = PurePosixPath(output)
    if "{" in output:
        return f"the output {output!r} holds an unknown name; known: {', '.join('{' + one + '}' for one in FIELDS)}"
    if path.suffix.lower() not in PICTURE_FORMATS:
        return f"the output {output!r} must end in one of {', '.join(PICTURE_FORMATS)}"
    if path.is_absolute() or ".." in path.parts or "\\" in output:
        return f"the output {output!r} must stay inside the folder of results"
    for part in path.parts:
        if part.startswith(".") or part.split(".")[0].lower() in DEVICES or re.search(r"[\x00-\x1f:*?\"<>|]", part):
            return f"the output {output!r} cannot be a file name ({part!r})"
        if len(part.encode()) > PART - 5:
            return f"the output {output!r} is too long: a part may have {PART - 5} bytes"
    return None


def _collisions(named: Sequence[Named]) -> list[Problem]:
    """Outputs of two requests that are one file on some system, or a picture and another's ``.json``."""
    taken: dict[str, Named] = {}
    problems = []
    for one in named:
        for name in output_names(one.output, one.request.count):
            beside = [] if name.lower().endswith(".png") else [f"{name}.json"]
            for file in [name, *beside]:
                key = unicodedata.normalize("NFC", file).casefold()
                other = taken.setdefault(key, one)
                if other is not one:
                    where = f"line {other.line.number}" if other.line.number is not None else other.line.source
                    text = f"its output {file!r} is that of {where}, too: give one of them another id or output"
                    problems.append(Problem(one.line.source, one.line.number, text))
    return problems


def _remarks(named: Sequence[Named], drawn: int) -> list[str]:
    remarks = []
    if drawn:
        remarks.append(f"{drawn} requests give no seed: each gets one of its own, from its id")
    folders: dict[str, int] = {}
    for one in named:
        folder = str(PurePosixPath(one.request.output or "").parent)
        folders[folder] = folders.get(folder, 0) + one.request.count
    if max(folders.values(), default=0) > CROWD:
        remarks.append(f"more than {CROWD} results in one folder are slow to list: --name '{{shard}}/{{id}}.png'")
    return remarks
