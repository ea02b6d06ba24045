"""Forms, checks and command lines, from the methods' own definitions; no torch is loaded for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scumble.errors import InputError, ScumbleError
from scumble.records.view import View
from scumble.studio.command import command_line, python_code, read_command
from scumble.studio.form import ORDER, describe, file_fields, packed_fields, sent_fields

__all__ = ["Forms"]


class Forms:
    """What the page may ask of the methods' definitions.

    Args:
        flags: Module of the command line that knows how a field is spelled and what a fault is called.
    """

    def __init__(self, flags: str) -> None:
        self._flags = flags

    def methods(self) -> list[dict[str, Any]]:
        """Descriptions of all methods that edit a picture, ordered by task."""
        from scumble.methods.registry import METHODS, method_class

        forms = [
            describe(kind, name)
            for name in METHODS
            if (kind := _class(method_class, name)) is not None and kind.takes_image
        ]
        return sorted(forms, key=lambda one: ORDER.index(one["task"]) if one["task"] in ORDER else len(ORDER))

    def check(
        self,
        method: str,
        parameters: dict[str, Any],
        points: list[list[float]],
        picture: str,
        change_map: str | None,
        seed: int,
        count: int,
        output: str,
        model: str | None,
        places: Sequence[Mapping[str, Any]] = (),
        files: Mapping[str, str] | None = None,
        inversion: str | None = None,
        computed: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Check an edit: faults by field in the words of the command line, and the equal command line and Python.

        Args:
            method: Its name.
            parameters: Its fields and the view's that were changed, but files.
            points: Pairs of points.
            picture: File of the picture.
            change_map: File of the map, or None.
            seed: Seed.
            count: Candidates.
            output: File of the result.
            model: The model, where it is not the bundled one.
            places: Fields of each text that has a place or a weight, but its map's file.
            files: Where files lie, by their place in the parameters: ``placed_words.0.map``, ``target_image``.
            inversion: File of the inversion to start from.
            computed: Runtime and precision, where they are not the usual ones.
        """
        from scumble.methods.registry import method_class

        flags = importlib.import_module(self._flags)
        kind: Any = method_class(method)
        look = {name: value for name, value in parameters.items() if name in View.model_fields}
        given = _settled(kind, {name: value for name, value in parameters.items() if name not in look}, points)
        named = _with_files(kind, given, places, files or {})
        look = {name: value for name, value in look.items() if not _is_default(View, name, value)}
        faults = _faults(kind, given, flags.build_method) + _faults(View, look, flags.build_method)
        built = None
        if not faults:
            built = kind(**given)
        spelled = {name: spellings[0] for name, spellings in flags.SHORT.items()}
        changed = {name: value for name, value in given.items() if not _is_default(kind, name, value)}
        where: dict[str, Any] = {
            "picture": picture, "change_map": change_map, "seed": seed, "count": count, "inversion": inversion,
            "places": named, "model": model, "computed": computed or {},
        }  # fmt: skip
        values = {name: value for name, value in changed.items() if name != "placed_words"}
        command = command_line(method, values | look, spelled, **where, output=output)
        return {
            "faults": faults,
            "command": command,
            "python": python_code(kind.__name__, values, look, **where),
            "view": look,
            "parameters": None if built is None else built.model_dump(mode="json", include=set(changed)),
            "values": {} if built is None else built.model_dump(mode="json", exclude={"change_map"}),
        }

    def read(self, text: str) -> dict[str, Any]:
        """Read a pasted command line."""
        from scumble.methods.registry import method_class

        read = read_command(text, method_class, importlib.import_module(self._flags).SHORT)
        kind: Any = method_class(read["method"])
        names = set(read["parameters"]) & file_fields(kind.model_fields)
        if names:
            raise InputError(f"the page opens no files by name: leave out {', '.join(sorted(names))}")
        return {**read, "method": kind.method_name()}


def _class(method_class: Any, name: str) -> Any:
    try:
        return method_class(name)
    except ImportError:  # an extra that is not installed
        return None


def _settled(kind: Any, parameters: Mapping[str, Any], points: list[list[float]]) -> dict[str, Any]:
    """Values as the method takes them: whole numbers of decimal fields as such, points where they belong."""
    refused = sorted(set(parameters) & file_fields(kind.model_fields))
    if refused:
        raise InputError(f"the page may not set {', '.join(refused)}")
    for name, names in packed_fields(kind.model_fields).items():
        unknown = [one for one in parameters.get(name) or () if one not in names]
        if unknown:
            raise InputError(f"{name}: there is no {unknown[0]!r}; the package has {', '.join(names)}")
    given = {
        name: float(value)
        if isinstance(value, int) and not isinstance(value, bool) and _is_float(kind.model_fields.get(name))
        else value
        for name, value in parameters.items()
    }
    if "points" in kind.model_fields:
        given["points"] = [tuple(pair) for pair in points]
    return given


def _with_files(
    kind: Any, given: dict[str, Any], places: Sequence[Mapping[str, Any]], files: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Put texts with their maps and files into the values; returns each text's fields with its map's file."""
    if places and not kind.takes_places:
        raise InputError(
            f"{kind.method_name()} takes one text for the whole picture: take the texts for places away, or choose"
            " differential-diffusion, sdedit or ddpm-inversion"
        )
    maps = [files.get(f"placed_words.{k}.map") for k in range(len(places))]
    named = [{**one, **({} if path is None else {"map": path})} for one, path in zip(places, maps, strict=True)]
    if named:
        given["placed_words"] = named
    takes = sent_fields(kind.model_fields)
    for name, path in files.items():
        if "." in name:
            continue
        if name not in takes:
            raise InputError(f"{kind.method_name()} takes no file {name}")
        given[name] = path
    return named


def _is_float(field: Any) -> bool:
    return (
        field is not None
        and "float" in str(field.annotation)
        and "int" not in str(field.annotation).replace("points", "")
    )


def _faults(kind: Any, given: dict[str, Any], build_method: Callable[..., Any]) -> list[dict[str, str]]:
    """Every fault with the very sentence of the command line."""
    from pydantic import ValidationError

    try:
        kind.model_validate(given)
    except ValidationError as error:
        names = dict.fromkeys(str(one["loc"][0]) if one["loc"] else "" for one in error.errors())
    except ScumbleError as error:  # of words in a list
        return [{"field": "places" if given.get("placed_words") else "prompt", "message": str(error)}]
    else:
        return []
    faults = []
    for name in names:
        part = {name: given[name]} if name in given else given
        try:
            build_method(kind, part)
            build_method(kind, given)
        except ScumbleError as error:
            faults.append({"field": "places" if name == "placed_words" else name, "message": str(error)})
    return faults


def _is_default(kind: Any, name: str, value: Any) -> bool:
    field = kind.model_fields.get(name)
    if field is None:
        return False
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple) and isinstance(value, list):
        value = tuple(tuple(one) if isinstance(one, list) else one for one in value)
    return bool(default == value)
