"""A finished picture's recipe taken as a request. Its files are found by their content, never opened by name alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scumble.errors import CheckpointError, InputError
from scumble.file_field import named_files
from scumble.files import READABLE_PICTURES
from scumble.hashing import tensor_sha256
from scumble.images import load_image, load_map
from scumble.inversion.file import SUFFIX
from scumble.inversion.inversion import Inversion
from scumble.methods.base import ImageMethod, Method
from scumble.records.build import build_method
from scumble.records.file_ref import FileRef
from scumble.records.lists import Line
from scumble.records.metadata import read_metadata
from scumble.records.recipe import Recipe
from scumble.records.request import Request
from scumble.records.wishes import Wishes

__all__ = ["request_of_recipe"]


def request_of_recipe(line: Line, wishes: Wishes) -> tuple[Request, dict[str, str]]:
    """Return the request that a recipe stands for, and where its files are.

    Args:
        line: A picture with a recipe (``line.recipe``), or a recipe as a line of a list.
        wishes: ``inputs`` is where to look for files, besides beside the picture or the list; a ``model`` among the
            flags is where the recipe's model is.

    Raises:
        InputError: If there is no recipe, or a file of it is not there.
    """
    written = read_metadata(line.recipe) if line.recipe is not None else dict(line.fields)
    aside = {name: written.pop(name) for name in ("id", "output", "priority") if name in written and not line.recipe}
    try:
        recipe = Recipe.model_validate(written)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(f"carries no recipe of a single edit ({where})") from error
    folders = [Path(line.base), *([Path(wishes.inputs)] if wishes.inputs is not None else [])]
    method = build_method(recipe.method, recipe.parameters)
    named = list(named_files(method))
    if named:
        raise InputError(f"its recipe names {named[0].path!r} as {named[0].place} without its content: list it by hand")
    at = _files_of(recipe, method, folders)
    model = wishes.sets.get("model") or wishes.flags.get("model") or recipe.model.get("name")
    first, count = _candidates(recipe, method)
    files = {place: FileRef(path=Path(path).name, sha256=sha256) for place, (path, sha256) in at.items()}
    request = Request(
        method=recipe.method,
        parameters=recipe.parameters,
        seed=recipe.seed + first,
        count=count,
        batch_size=recipe.batch_size,
        also=tuple(recipe.also),
        model={"name": model},
        **files,
        **aside,
    )
    return request, {place: path for place, (path, _) in at.items()}


def _candidates(recipe: Recipe, method: Method) -> tuple[int, int]:
    """(first, count): one candidate alone where the others did not matter to it, else the batch it was made in."""
    if method.variants > 1 or "keep" in recipe.parameters:
        return 0, recipe.count
    first = recipe.index // recipe.batch_size * recipe.batch_size
    return first, min(recipe.batch_size, recipe.count - first)


def _files_of(recipe: Recipe, method: Method, folders: list[Path]) -> dict[str, tuple[str, str]]:
    found = dict[str, tuple[str, str]]()
    if recipe.input is not None:
        path = _picture(recipe.input, folders)
        found["image"] = (str(path), recipe.input["sha256"])
    if recipe.change_map is not None:
        size = recipe.size if recipe.input is None else load_image(found["image"][0]).rgb.size
        found["change_map"] = (str(_map(recipe.change_map, method, size, folders)), recipe.change_map["sha256"])
    if recipe.inversion is not None:
        found["inversion"] = (str(_inversion(recipe.inversion, folders)), recipe.inversion["sha256"])
    return found


def _near(folders: list[Path], name: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files of the folders with such an end, those of that name first; regular ones alone."""
    for folder in folders:
        files = [one for one in folder.iterdir() if one.name.lower().endswith(suffixes) and one.is_file()]
        yield from sorted(files, key=lambda path: (path.name != name, path.name))


def _picture(wanted: Mapping[str, Any], folders: list[Path]) -> Path:
    for path in _near(folders, wanted["name"], READABLE_PICTURES):
        try:
            if load_image(path).sha256 == wanted["sha256"]:
                return path
        except InputError:
            continue
    raise InputError(f"the picture {wanted['name']!r} that was edited is not there; say where with --inputs")


def _map(wanted: Mapping[str, Any], method: Method, size: tuple[int, int], folders: list[Path]) -> Path:
    polarity = getattr(method, "polarity", "white-changes")
    for path in _near(folders, wanted["name"], READABLE_PICTURES):
        try:
            change, _ = load_map(path, size, polarity=polarity)
        except InputError:
            continue
        if tensor_sha256(method.prepare_map(change) if isinstance(method, ImageMethod) else change) == wanted["sha256"]:
            return path
    raise InputError(f"the change map {wanted['name']!r} that was used is not there; say where with --inputs")


def _inversion(wanted: Mapping[str, Any], folders: list[Path]) -> Path:
    for path in _near(folders, wanted["name"], (SUFFIX,)):
        try:
            if Inversion.load(path).sha256 == wanted["sha256"]:
                return path
        except CheckpointError:
            continue
    raise InputError(f"the inversion {wanted['name']!r} that was used is not there; say where with --inputs")
