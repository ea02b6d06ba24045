"""Lists of requests made ready to run: read, checked line by line, named, put in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scumble.errors import InputError, ScumbleError
from scumble.files import PICTURE_FORMATS
from scumble.hashing import sha256
from scumble.records.file_ref import file_refs
from scumble.records.list_folder import pictures_in, read_folder, read_recipes
from scumble.records.list_lines import Found, Line, Patterns
from scumble.records.lists import read_list
from scumble.records.naming import Named, name_requests, output_names
from scumble.records.problems import ListError, Problem
from scumble.records.request import Request, put
from scumble.records.settle import is_recipe, settle
from scumble.records.wishes import Settled, Wishes
from scumble.work.entry import Entry
from scumble.work.ledger import Ledger, ledger_folder
from scumble.work.local import LocalCrew

if TYPE_CHECKING:
    from scumble.records.recipe import Recipe

    Requests = str | Path | Found | Iterable[Request | Recipe | Mapping[str, Any] | str | Path]

__all__ = ["ORDERS", "Checked", "asked", "check", "entries_of", "gather"]

CHUNK = 200
ORDERS = ("affinity", "list", "shuffle", "short-first")


@dataclass
class Checked:
    """Requests that can run, and remarks for the user."""

    named: list[Named]
    notes: list[str] = field(default_factory=list)


def gather(
    requests: Requests,
    patterns: Patterns = Patterns(),  # noqa: B008 - frozen
    *,
    recursive: bool = False,
    redo: bool = False,
    output: Path | None = None,
) -> Found:
    """Read what was given: a list's path, a folder, pictures with recipes, or requests from Python.

    Raises:
        ListError: With everything that cannot be read.
        InputError: If it is none of these.
    """
    if isinstance(requests, Found):
        return requests
    if isinstance(requests, str | Path):
        path = Path(requests)
        if path.is_dir():
            if redo:
                return read_recipes(pictures_in(path))
            return read_folder(path, patterns, recursive=recursive, without=[] if output is None else [output])
        if path.suffix.lower() in PICTURE_FORMATS:
            return read_recipes([path])
        return read_list(path)
    gathered = Found()
    for number, one in enumerate(requests, 1):
        if isinstance(one, str | Path):
            gathered.lines += read_recipes([Path(one)]).lines
        else:
            gathered.lines.append(Line("requests", number, _plain(one), str(Path.cwd())))
    return gathered


def _plain(one: Any) -> Mapping[str, Any]:
    if isinstance(one, Request):
        body = one.model_dump(mode="json", exclude_defaults=True)
        parameters = {**one.parameters}
        for place, ref in one.files.items():
            if not place.startswith("also."):
                put(parameters, place, ref.path)
        return {
            **{k: v for k, v in body.items() if k not in ("files", "defaults")},
            "method": one.method,
            "parameters": parameters,
        }
    if hasattr(one, "model_dump"):  # a recipe
        return dict(one.model_dump(mode="json"))
    if isinstance(one, Mapping):
        return {name: str(value) if isinstance(value, Path) else value for name, value in one.items()}
    raise InputError(
        f"a request cannot be made from {type(one).__name__}: give a Request, a mapping or a picture's path"
    )


def check(
    found: Found,
    wishes: Wishes,
    crew: Callable[[], LocalCrew],
    folder: Path,
    *,
    pattern: str | None = None,
    overwrite: bool = False,
) -> Checked:
    """Check every line; name the requests; look whether anything is in the way of their results.

    What cannot be checked without torch (recipes, ``also``, ``auto``) is asked of a worker: ``crew()`` begins them.

    Raises:
        ListError: With everything that is wrong.
    """
    results = _settled(found.lines, wishes, crew)
    problems = [problem for one in results for problem in one.problems]
    good = _merged([(one.line, one.request, one.at) for one in results if one.request is not None])
    named, more, notes = name_requests(good, pattern)
    problems += more
    if not problems and not overwrite:
        problems += _in_the_way(named, folder, crew)
    if problems:
        raise ListError(sorted(problems, key=lambda one: (one.source, one.line or 0)))
    overridden = sum(one.overridden for one in results)
    if overridden:
        notes.append(f"--set overrode {overridden} of {len(results)} lines")
    return Checked(named, [*found.notes, *notes])


def _settled(lines: Sequence[Line], wishes: Wishes, crew: Callable[[], LocalCrew]) -> list[Settled]:
    everywhere = any(_is_heavy(fields) for fields in (wishes.defaults, wishes.flags, wishes.sets))
    heavy = [k for k, line in enumerate(lines) if everywhere or _is_heavy(line.fields) or is_recipe(line)]
    results: dict[int, Settled] = {}
    if heavy:
        chunks = [heavy[k : k + CHUNK] for k in range(0, len(heavy), CHUNK)]
        answers = asked(crew(), "settle", [([lines[k] for k in chunk], wishes) for chunk in chunks])
        results = {
            k: one for chunk, answer in zip(chunks, answers, strict=True) for k, one in zip(chunk, answer, strict=True)
        }
    return [results[k] if k in results else settle([line], wishes)[0] for k, line in enumerate(lines)]


def _is_heavy(fields: Mapping[str, Any]) -> bool:
    """Whether a worker has to look at it: what acts besides, or what ``auto`` means where it is made."""
    model = fields.get("model")
    computed = [
        part.get(name) for part in (fields, model) if isinstance(part, Mapping) for name in ("runtime", "dtype")
    ]
    return "also" in fields or "auto" in computed


def asked(crew: LocalCrew, what: str, questions: Sequence[Any]) -> list[Any]:
    """Put questions to the first worker that is ready, one after the other."""
    answers: list[Any] = []
    worker: str | None = None
    sent = 0
    while len(answers) < len(questions):
        if worker is None and crew.idle():
            worker = crew.idle()[0]
        if worker is not None and sent == len(answers):
            crew.ask(worker, what, questions[sent])
            sent += 1
        for event in crew.wait(1.0):
            if event.kind == "answer":
                if "error" in event.data:
                    raise ScumbleError(f"the list could not be checked: {event.data['error']}")
                answers.append(event.data["value"])
            elif event.kind == "died":
                raise ScumbleError(f"no worker could begin: {event.data['why']}")
    return answers


def _merged(good: list[tuple[Line, Request, Mapping[str, str]]]) -> list[tuple[Line, Request, Mapping[str, str]]]:
    """Recipes of several candidates of one run are one request."""
    unique: dict[str, tuple[Line, Request, Mapping[str, str]]] = {}
    for line, request, at in good:
        key = request.line() + _where(at) if line.recipe is not None else f"{line.source}:{line.number}:{len(unique)}"
        unique.setdefault(key, (line, request, at))
    return list(unique.values())


def _where(at: Mapping[str, str]) -> str:
    return sha256(repr(sorted(at.items())))


def _in_the_way(named: Sequence[Named], folder: Path, crew: Callable[[], LocalCrew]) -> list[Problem]:
    """Files that are there, are not in the ledger, and do not say that a request made them."""
    known = set()
    if (ledger_folder(folder) / "ledger.sqlite").is_file():
        with Ledger.read(folder) as ledger:
            known = ledger.output_paths()
    there = [
        (one, name)
        for one in named
        for name in output_names(one.request.output or "", one.request.count)
        if name not in known and (folder / name).exists()
    ]
    if not there:
        return []
    (foreign,) = asked(crew(), "foreign", [[str(folder / name) for _, name in there]])
    return [
        Problem(
            one.line.source,
            one.line.number,
            f"{name} is there and was made by nobody's request: --overwrite replaces it",
        )
        for (one, name), alien in zip(there, foreign, strict=True)
        if alien
    ]


def entries_of(named: Sequence[Named], order: str = "affinity", rows: Mapping[str, int] | None = None) -> list[Entry]:
    """What is filed in the ledger, in the order in which it is to be made.

    Args:
        named: The requests.
        order: ``affinity`` (what one model and picture share comes together), ``list``, ``shuffle``, ``short-first``.
        rows: Network evaluations by id, where they are known.
    """
    if order not in ORDERS:
        raise InputError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    entries = [_entry(one, (rows or {}).get(one.request.id or "")) for one in named]
    if order == "affinity":
        first: dict[str | None, int] = {}
        for k, entry in enumerate(entries):
            first.setdefault(entry.affinity, k)
        entries.sort(key=lambda entry: first[entry.affinity])
    elif order == "shuffle":
        random.Random(",".join(entry.id for entry in entries)).shuffle(entries)
    elif order == "short-first":
        entries.sort(key=lambda entry: entry.rows if entry.rows is not None else _steps(entry.body))
    return entries


def _steps(body: Mapping[str, Any]) -> int:
    return int(body["parameters"].get("num_inference_steps") or 50) * int(body.get("count") or 1)


def _entry(one: Named, rows: int | None) -> Entry:
    request = one.request
    body = request.model_dump(mode="json")
    for place, path in one.at.items():
        if place == "model.name":
            body["model"]["name"] = path
    for place, ref in file_refs(request):
        put(body, place, {**ref.model_dump(), "path": one.at.get(place, ref.path)})
    return Entry(
        id=request.id or "",
        line=request.line(),
        body=body,
        output=request.output or "",
        count=request.count,
        model=request.model.name or "",
        affinity=request.affinity(),
        source=one.line.number,
        priority=request.priority,
        rows=rows,
    )
