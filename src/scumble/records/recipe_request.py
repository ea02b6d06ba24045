"""A finished picture's recipe taken as a request. Its files are found by their content, never opened by name alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scumble.core.polarity import Polarity
from scumble.errors import CheckpointError, InputError, first_problem
from scumble.file_field import FROM_WORDS, named_files
from scumble.files import READABLE_PICTURES
from scumble.hashing import tensor_sha256
from scumble.images import load_image, load_map
from scumble.inversion.file import SUFFIX
from scumble.inversion.inversion import Inversion
from scumble.methods.base import ImageMethod
from scumble.methods.extras.parse import from_recipe
from scumble.methods.method import Method
from scumble.records.beside import Beside
from scumble.records.file_ref import FileRef
from scumble.records.list_lines import Line
from scumble.records.recipe import Recipe, read_recipe
from scumble.records.recorded_runtime import recorded_runtime
from scumble.records.request import Request
from scumble.records.view import VIEW_0_1
from scumble.records.wishes import Wishes

__all__ = ["request_of_recipe"]

_PLAIN = ("clip_skip", "prediction_type", "schedule", "few_steps", "prompt_syntax", "control_scale", "ip_scale")
_FILES = ("vae", "control", "control_image", "ip_adapter", "ip_image")
"""Settings of a model that are no files."""


def request_of_recipe(line: Line, wishes: Wishes) -> tuple[Request, dict[str, str]]:
    """Return the request that a recipe stands for, and where its files are.

    It is a request of its own: what the edit's defaults came to is written out in it.

    Args:
        line: A picture with a recipe (``line.recipe``), or a recipe as a line of a list.
        wishes: ``inputs`` is where to look for files, besides beside the picture or the list; a ``model`` among the
            flags is where the recipe's model is.

    Raises:
        InputError: If there is no recipe, or a file of it is not there.
    """
    written = dict(line.fields)
    aside = {name: written.pop(name) for name in ("id", "output", "priority") if name in written}
    recipe = _checked(written) if line.recipe is None else read_recipe(line.recipe)
    folders = [Path(line.base), *([Path(wishes.inputs)] if wishes.inputs is not None else [])]
    method = recipe.build()
    at = _files_of(recipe, method, folders)
    model = wishes.sets.get("model") or wishes.flags.get("model") or recipe.model["name"]
    first, count = _candidates(recipe, method)
    refs = {place: FileRef(path=Path(path).name, sha256=sha256) for place, (path, sha256) in at.items()}
    fields: dict[str, Any] = {name: refs.pop(name) for name in ("image", "change_map", "inversion") if name in refs}
    if recipe.change_map is not None and recipe.change_map["name"].startswith(FROM_WORDS):
        fields["change_map"] = recipe.change_map["name"]
    put_on = {place: refs.pop(place) for place in list(refs) if place.startswith("model.")}
    request = Request(
        method=recipe.method,
        parameters=recipe.settled_parameters(),
        seed=recipe.seed + first,
        count=count,
        batch_size=recipe.batch_size,
        also=tuple(recipe.settled_also()),
        view=recipe.view or VIEW_0_1,
        files={place.removeprefix("files."): ref for place, ref in refs.items()},
        model={**_model(recipe, model, put_on), **_computed(recipe, wishes)},
        **fields,
        **aside,
    )
    return request, {place: path for place, (path, _) in at.items()}


def _checked(written: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(written)
    except ValidationError as error:
        where, reason = first_problem(error)
        raise InputError(f"is no recipe of a single edit: {where} {reason}".rstrip()) from error


def _candidates(recipe: Recipe, method: Method) -> tuple[int, int]:
    """(first, count): one candidate alone where the others did not matter to it, else the batch it was made in."""
    if method.variants > 1 or getattr(method, "keep", None) is not None:
        return 0, recipe.count
    first = recipe.index // recipe.batch_size * recipe.batch_size
    return first, min(recipe.batch_size, recipe.count - first)


def _files_of(recipe: Recipe, method: Method, folders: list[Path]) -> dict[str, tuple[str, str]]:
    """Place -> (path, content) of every file that the recipe names."""
    beside, places = Beside(tuple(folders)), dict[str, tuple[str, str]]()
    if recipe.input is not None:
        path = _picture(recipe.input, beside)
        places["image"] = (str(path), recipe.input["sha256"])
    if recipe.change_map is not None and not recipe.change_map["name"].startswith(FROM_WORDS):
        size = load_image(places["image"][0]).rgb.size if "image" in places else recipe.size
        places["change_map"] = (str(_map(recipe.change_map, method, size, beside)), recipe.change_map["sha256"])
    if recipe.inversion is not None:
        places["inversion"] = (str(_inversion(recipe.inversion, beside)), recipe.inversion["sha256"])
    named = [*named_files(method)]
    named += [
        one for k, about in enumerate(recipe.settled_also()) for one in named_files(from_recipe(about), f"also.{k}.")
    ]
    for one in named:
        ref = recipe.files.get(one.place)
        there = None if ref is None else beside.file(ref)
        if ref is None or there is None:
            raise InputError(f"{one.place}: {Path(one.path).name!r} is not there; say where with --inputs")
        places[f"files.{one.place}"] = (str(there), ref["sha256"])
    for place, ref in _put_on(recipe):
        if place in ("model.control_image", "model.ip_image"):
            there = _picture(ref, beside)
        else:
            there = beside.file(ref) if len(ref["sha256"]) == 64 else None
        if there is None:
            raise InputError(
                f"{ref['name'][:100]!r}, which was put on the model, is not there; say where with --inputs"
            )
        places[place] = (str(there), ref["sha256"])
    return places


def _put_on(recipe: Recipe) -> Iterator[tuple[str, dict[str, str]]]:
    """Place in a request and name with content of every file that was put on the model."""
    asked = recipe.model_settings
    try:
        named = [(f"model.adapters.{k}.file", one) for k, one in enumerate(asked.get("lora", ()))]
        named += [(f"model.embeddings.{k}", one) for k, one in enumerate(asked.get("textual_inversion", ()))]
        named += [(f"model.{name}", asked[name]) for name in _FILES if name in asked]
        for place, one in named:
            yield place, {"name": str(one["name"]), "sha256": str(one["sha256"])}
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError("the recipe's model_settings cannot be read") from error


def _model(recipe: Recipe, name: str, put_on: Mapping[str, FileRef]) -> dict[str, Any]:
    """The model with all that was put on it."""
    asked = recipe.model_settings
    weights = [one["weight"] for one in asked.get("lora", ())]
    files = {place.removeprefix("model."): ref for place, ref in put_on.items()}
    plain = {key: asked[key] for key in _PLAIN if key in asked}
    several = [files[f"embeddings.{k}"] for k in range(len(asked.get("textual_inversion", ())))]
    adapters = [{"file": files[f"adapters.{k}.file"], "weight": weight} for k, weight in enumerate(weights)]
    single: dict[str, Any] = {key: files[key] for key in _FILES if key in files}
    return {"name": name, "adapters": adapters, "embeddings": several, **single, **plain}


def _computed(recipe: Recipe, wishes: Wishes) -> dict[str, str]:
    """What computes and in what precision: as was asked for now, else as when the picture was made."""
    names = ("runtime", "dtype")
    asked = {name: wish for name in names if (wish := wishes.sets.get(name) or wishes.flags.get(name))}
    recorded = recorded_runtime(recipe.environment)
    if asked or recorded == ("torch", "float32"):
        return asked
    return {name: value for name, value in zip(names, recorded, strict=True) if value is not None}


def _picture(wanted: dict[str, str], beside: Beside) -> Path:
    for path in beside.likely(wanted["name"], READABLE_PICTURES):
        try:
            if load_image(path).sha256 == wanted["sha256"]:
                return path
        except InputError:
            continue
    raise InputError(f"the picture {wanted['name']!r} that was edited is not there; say where with --inputs")


def _map(wanted: dict[str, str], method: Method, size: tuple[int, int], beside: Beside) -> Path:
    polarity: Polarity = method.polarity if isinstance(method, ImageMethod) else "white-changes"

    def sha256(path: Path) -> str:
        change, _ = load_map(path, size, polarity=polarity)
        return tensor_sha256(method.prepare_map(change) if isinstance(method, ImageMethod) else change)

    path = beside.map(wanted, size, sha256)
    if path is None:
        raise InputError(f"the change map {wanted['name']!r} that was used is not there; say where with --inputs")
    return path


def _inversion(wanted: dict[str, str], beside: Beside) -> Path:
    for path in beside.likely(wanted["name"], (SUFFIX,)):
        try:
            if Inversion.load(path).sha256 == wanted["sha256"]:
                return path
        except CheckpointError:
            continue
    raise InputError(f"the inversion {wanted['name']!r} that was used is not there; say where with --inputs")
