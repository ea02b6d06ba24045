"""The equal command line and Python of what the page will do, and the way back from a command line to the form."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from scumble.errors import InputError
from scumble.records.view import View

__all__ = ["command_line", "python_code", "read_command"]

DEFAULT_METHOD = "differential-diffusion"
ASIDE = ("--seed", "--count", "--method", "-m", "--map", "--mask", "--change-map", "-o", "--output", "--model", "--at",
         "--also-words", "--inversion", "--runtime", "--dtype")  # fmt: skip
"""Flags that are no values of the method, or name files, which the page has its own of."""


def command_line(
    method: str,
    parameters: Mapping[str, Any],
    spelled: Mapping[str, str],
    *,
    picture: str,
    change_map: str | None,
    seed: int,
    count: int = 1,
    output: str = "out.png",
    model: str | None = None,
    inversion: str | None = None,
    places: Sequence[Mapping[str, Any]] = (),
    computed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Write ``scumble edit …``.

    Args:
        method: Its name.
        parameters: What is not at its default.
        spelled: Flag of each field.
        picture: File of the picture.
        change_map: File of the map, or None.
        seed: Seed.
        count: Candidates.
        output: File of the result.
        model: The model, where it is not the bundled one.
        inversion: File of the inversion to start from.
        places: Fields of each text that has a place or a weight; the file of its map is ``map``.
        computed: Runtime and precision, where they are not the usual ones.
    """
    words = ["scumble", "edit", picture, "--method", method]
    if change_map is not None:
        words += ["--map", change_map]
    if inversion is not None:
        words += ["--inversion", inversion]
    for one in places:
        words += _placed(one)
    for name, value in parameters.items():
        words += _flag(spelled.get(name, f"--{name.replace('_', '-')}"), value)
    if model is not None:
        words += ["--model", model]
    words += [word for name, value in computed.items() for word in (f"--{name}", value)]
    words += ["--seed", str(seed)]
    if count > 1:
        words += ["--count", str(count)]
    return shlex.join([*words, "-o", output])


def _placed(one: Mapping[str, Any]) -> list[str]:
    """The shortest way to say a text with a place or a weight."""
    if set(one) <= {"text", "map"}:
        return ["--at", _text(one.get("map", 1.0)), one["text"]]
    if one.get("mode") == "add" and set(one) <= {"text", "weight", "mode"}:
        return ["--also-words", f"{one['text']}:{float(one.get('weight', 1.0)):+g}"]
    return ["--placed-words", json.dumps(dict(one), ensure_ascii=False)]


def _flag(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    if isinstance(value, Mapping):
        return [flag, json.dumps(dict(value), ensure_ascii=False)]
    if isinstance(value, list | tuple):
        flat: list[str] = []
        for one in value:
            flat += [_text(part) for part in one] if isinstance(one, list | tuple) else [_text(one)]
        return [word for part in flat for word in (flag, part)] if _each(value) else [flag, *flat]
    text = _text(value)
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def _each(value: Any) -> bool:
    """Whether every item gets the flag anew (lists of words)."""
    return all(isinstance(one, str) for one in value)


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def python_code(
    class_name: str,
    parameters: Mapping[str, Any],
    view: Mapping[str, Any],
    *,
    picture: str,
    change_map: str | None,
    seed: int,
    count: int = 1,
    model: str | None = None,
    inversion: str | None = None,
    places: Sequence[Mapping[str, Any]] = (),
    computed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Write the same in Python."""
    given = [f"{name}={value!r}" for name, value in parameters.items()]
    if places:
        given.append(f"placed_words=[{', '.join(map(_words, places))}]")
    if change_map is not None:
        given.append(f"change_map={change_map!r}")
    inside = f"scumble.{class_name}({', '.join(given)})"
    more = f", count={count}" if count > 1 else ""
    more += "" if inversion is None else f", inversion={inversion!r}"
    more += "".join(f", {name}={value!r}" for name, value in view.items())
    loaded = [*([] if model is None else [repr(model)]), *(f"{name}={value!r}" for name, value in computed.items())]
    return (
        f"import scumble\n\neditor = scumble.Editor.from_pretrained({', '.join(loaded)})\n"
        f"result = editor.edit({picture!r}, {inside}, seed={seed}{more})\n"
        'result.save("out.png")\n'
    )


def _words(one: Mapping[str, Any]) -> str:
    first = [repr(one[name]) for name in ("text", "map") if name in one]
    return f"scumble.Words({', '.join([*first, *(f'{k}={v!r}' for k, v in one.items() if k not in ('text', 'map'))])})"


def read_command(text: str, method_class: Any, spelled: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Read a pasted ``scumble edit …``: method, parameters, added words, seed, count; files in it are left out.

    Raises:
        InputError: If it is no such command line, or a flag is unknown.
    """
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError as error:
        raise InputError(f"this is no command line: {error}") from error
    if words[:2] == ["scumble", "edit"]:
        words = words[2:]
    flags, _, rest = _flags(words)
    name = rest.pop("--method", rest.pop("-m", DEFAULT_METHOD))
    kind = method_class(name)
    by_flag = {f"--{field.replace('_', '-')}": field for field in (*View.model_fields, *kind.model_fields)}
    by_flag |= {flag: field for field, flags in spelled.items() for flag in flags}
    parameters: dict[str, Any] = {}
    for flag, values in flags:
        if flag in ASIDE:
            continue
        field = by_flag.get(flag) or by_flag.get(f"--{flag.removeprefix('--no-')}")
        if field is None:
            raise InputError(f"{name} has no flag {flag}")
        parameters[field] = False if flag.startswith("--no-") else _value(values)
    return {
        "method": name,
        "parameters": parameters,
        "seed": _whole(rest, "--seed"),
        "count": _whole(rest, "--count"),
        "places": [_added(value) for flag, values in flags if flag == "--also-words" for value in values],
    }


def _whole(rest: Mapping[str, str], flag: str) -> int | None:
    if flag not in rest:
        return None
    if not rest[flag].isdecimal() or len(rest[flag]) > 15:
        raise InputError(f"{flag} is {rest[flag][:40]!r}; give a whole number")
    return int(rest[flag])


def _added(written: str) -> dict[str, Any]:
    text, _, scale = written.rpartition(":")
    try:
        return {"text": text.strip(), "map": None, "weight": float(scale), "mode": "add"}
    except ValueError:
        raise InputError(f"--also-words {written!r}: expected words and a scale, such as sunset:+6") from None


def _flags(words: list[str]) -> tuple[list[tuple[str, list[str]]], list[str], dict[str, str]]:
    """Flags with their words in order, what stands before them, and the last word of each flag."""
    flags: list[tuple[str, list[str]]] = []
    before: list[str] = []
    for word in words:
        is_flag = word.startswith("--") or (len(word) == 2 and word[0] == "-" and word[1].isalpha())
        if is_flag:
            flag, equals, value = word.partition("=")
            flags.append((flag, [value] if equals else []))
        elif flags:
            flags[-1][1].append(word)
        else:
            before.append(word)
    return flags, before, {flag: values[-1] for flag, values in flags if values}


def _value(values: list[str]) -> Any:
    if not values:
        return True
    read = [_one(value) for value in values]
    return read[0] if len(read) == 1 else read


def _one(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
