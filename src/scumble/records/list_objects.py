"""Requests of a list with an object on each line (JSON), held within bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scumble.errors import InputError
from scumble.records.list_lines import DEEPEST, LONGEST_LINE, MOST_LINES, VERSION, Found, Line
from scumble.records.problems import ListError, Problem


def _objects(text: str, source: str, base: str) -> Found:
    gathered, problems, headed = Found(), list[Problem](), True
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
                wrong = [Problem(source, number, one) for one in _header(value)]
                problems, headed = problems + wrong, not wrong
                gathered.defaults = dict(value.get("defaults") or {}) if headed else {}
            continue
        gathered.lines.append(Line(source, number, value, base))
        if len(gathered.lines) > MOST_LINES:
            raise ListError([Problem(source, number, f"the list is longer than {MOST_LINES} requests: divide it")])
    if problems:
        raise ListError(problems, gathered if headed else None)
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
