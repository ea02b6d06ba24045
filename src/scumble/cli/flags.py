"""Flags from method definitions: a method's fields are its command line, nothing is written twice."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic import AliasChoices, BaseModel, ValidationError

from scumble.errors import InputError, first_problem

__all__ = ["build_method", "is_named", "method_of", "with_fields"]

Fields = TypeVar("Fields", bound=BaseModel)

SHORT = {
    "prompt": ["--prompt", "-p"],
    "num_inference_steps": ["--num-inference-steps", "--steps"],
    "guidance_scale": ["--guidance-scale", "--guidance"],
    "kind": ["--method", "-m", "--kind"],
    "change_map": ["--map", "--mask", "--change-map"],
    "polarity": ["--polarity"],
}
"""Flags with shorter spellings."""


def method_of(words: Sequence[str], default: str) -> str:
    """Find the value of ``--method`` (or ``-m``) among the words of a command line."""
    for k, word in enumerate(words):
        if word in ("--method", "-m"):
            if k + 1 == len(words):
                raise InputError("--method needs a name; scumble methods lists them")
            return words[k + 1]
        if word.startswith("--method="):
            return word.partition("=")[2]
    return default


def is_named(words: Sequence[str]) -> bool:
    """Whether a command line names a method."""
    return any(word in ("--method", "-m") or word.startswith("--method=") for word in words)


def with_fields(
    common: Callable[..., None],
    model: type[BaseModel],
    without: Sequence[str] = (),
    title: str = "Parameters",
    into: str = "given",
) -> Callable[..., None]:
    """Return ``common`` with one keyword flag per field of ``model``, but those ``without``, added to its signature.

    ``common`` receives the flags that were given as a dictionary by the name ``into``.
    """
    signature = inspect.signature(common, eval_str=True)
    group = Group(title, sort_key=1)
    parameters = [p for p in signature.parameters.values() if p.name != into]
    taken = {p.name for p in parameters}
    added = [_flag(name, model, group, taken) for name in model.model_fields if name not in without]
    names = [p.name for p in added]

    def command(*positional: Any, **keywords: Any) -> None:
        bound = new.bind(*positional, **keywords)
        given = {name: bound.arguments.pop(name) for name in names if name in bound.arguments}
        common(*bound.args, **{**bound.kwargs, into: {k: v for k, v in given.items() if v is not UNSET}})

    new = signature.replace(parameters=[*parameters, *added])
    command.__signature__ = new  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in new.parameters.values()}
    command.__doc__ = common.__doc__
    command.__name__ = common.__name__
    return command


UNSET: Any = None


def _flag(name: str, model: type[BaseModel], group: Group, taken: Collection[str]) -> inspect.Parameter:
    """A field's flag, which may also be spelled by the field's former names where nothing else has them."""
    field = model.model_fields[name]
    kind: Any = str if name == "change_map" else tuple[str, ...] if _is_records(field.annotation) else field.annotation
    text = " ".join((field.description or "").split())
    if _is_records(field.annotation):
        text += f" As JSON with {', '.join(get_args(field.annotation)[0].model_fields)}; may be given several times."
    default = field.get_default(call_default_factory=True)
    if default is not None:
        text += f" [default: {default!r}]" if isinstance(default, str) else f" [default: {default}]"
    former = field.validation_alias.choices[1:] if isinstance(field.validation_alias, AliasChoices) else []
    names = SHORT.get(name, [_flag_name(name)]) + [_flag_name(str(one)) for one in former if one not in taken]
    parameter = Parameter(name=names, help=text, group=group, show_default=False)
    annotation = Annotated[kind | None, parameter]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=UNSET, annotation=annotation)


def _flag_name(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _is_records(annotation: Any) -> bool:
    """Whether a field holds several of a model's records: on the command line each is JSON."""
    first = next(iter(get_args(annotation)), None)
    return get_origin(annotation) is tuple and isinstance(first, type) and issubclass(first, BaseModel)


def _records(flag: str, texts: Sequence[str]) -> list[Any]:
    try:
        return [json.loads(text) for text in texts]
    except json.JSONDecodeError as error:
        raise InputError(f'{flag}: expected fields as JSON, such as {{"image": "cat.png", ...}}: {error}') from error


def _number_or_file(text: str) -> float | str:
    """A map that is one number for all pixels, unless a file has that name."""
    try:
        return text if Path(text).exists() else float(text)
    except (ValueError, OSError):
        return text


def build_method(model: type[Fields], given: dict[str, Any]) -> Fields:
    """Build a method, or other settings, from the flags that were given.

    Raises:
        InputError: One line naming the first flag that does not fit, what was given and what is expected.
    """
    fields = model.model_fields
    given = {
        name: _records(f"--{name}", value) if _is_records(fields[name].annotation) else value
        for name, value in given.items()
    }
    if isinstance(given.get("change_map"), str):
        given["change_map"] = _number_or_file(given["change_map"])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        where, reason = first_problem(error)
        name = where.partition(".")[0]
        flag = SHORT.get(name, [_flag_name(name)])[0] if name else model.__name__
        raise InputError(f"{flag} {error.errors()[0].get('input')!r}: {reason}") from error
