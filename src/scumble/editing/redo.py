"""Make a picture again from its recipe, and say how different it came out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from scumble.editing.editor import Editor
from scumble.errors import CheckpointError, InputError, first_problem
from scumble.files import READABLE_PICTURES
from scumble.hashing import tensor_sha256
from scumble.images import MapSource, Picture, Source, load_image, load_map
from scumble.inversion.file import SUFFIX
from scumble.inversion.inversion import Inversion
from scumble.methods.base import ImageMethod
from scumble.methods.extras.parse import from_recipe
from scumble.records.metadata import read_metadata
from scumble.records.recipe import Recipe

__all__ = ["Redone", "redo"]


@dataclass(frozen=True)
class Redone:
    """A repeated edit.

    Attributes:
        image: The picture made again.
        recipe: Its recipe.
        largest: Largest difference of any channel of any pixel, in grey levels of 255.
        share: Share of the pixels that differ at all.
        warnings: What is not the same as when the picture was made (weights, versions, device).
    """

    image: Image.Image
    recipe: Recipe
    largest: int
    share: float
    warnings: list[str]


def redo(
    path: str | Path,
    *,
    image: Source | None = None,
    change_map: MapSource | Sequence[MapSource] | None = None,
    inversion: str | Path | None = None,
    model: str | None = None,
    device: str | None = None,
    editor: Editor | None = None,
) -> Redone:
    """Repeat the edit that made ``path``, in the same batch it was made in.

    Args:
        path: A picture with its recipe.
        image: The edited picture; looked for by hash in the folder of ``path`` when not given.
        change_map: The change map; likewise.
        inversion: The inversion file; likewise.
        model: The model; the recipe's name by default.
        device: Device; chosen as usual by default.
        editor: An editor whose model is loaded already, in place of ``model`` and ``device``.

    Raises:
        InputError: If the recipe, the picture or the map cannot be found or do not match their hashes.
    """
    target = Path(path)
    recipe = _recipe(target)
    folder = sorted(p for p in target.absolute().parent.iterdir() if p.suffix.lower() in READABLE_PICTURES)
    if editor is None:
        editor = Editor.from_pretrained(model or recipe.model["name"], device=device)
    first = recipe.index // recipe.batch_size * recipe.batch_size
    count = min(recipe.batch_size, recipe.count - first)
    if recipe.build().variants > 1:  # candidates share the first one's inversion, and take turns with the prompts
        first, count = 0, recipe.count
    options: dict[str, Any] = {"seed": recipe.seed + first, "count": count, "batch_size": recipe.batch_size}
    if recipe.also:
        options["also"] = [from_recipe(told) for told in recipe.also]
    if recipe.input is None:
        result = editor.generate(recipe.build(), **options)
    else:
        source = _source(recipe.input, image, folder)
        # Where candidates were ranked and only the best kept, all of this batch are wanted again.
        more: dict[str, Any] = {"keep": None} if "keep" in recipe.parameters else {}
        if recipe.change_map is not None:
            more["change_map"] = _map(recipe, change_map, folder, source.rgb.size)
        if recipe.inversion is not None:
            options["inversion"] = _inversion(recipe.inversion, inversion, target.absolute().parent)
        result = editor.edit(source, recipe.build(**more), **options)
    places = [report.get("candidate", k) for k, report in enumerate(result.reports)]
    place = places.index(recipe.index - first) if recipe.index - first in places else recipe.index - first
    made = result.images[place]
    before, after = np.asarray(load_image(target).rgb, np.int16), np.asarray(made.convert("RGB"), np.int16)
    if before.shape != after.shape:
        raise InputError(f"{target.name} was changed after it was made: its size is no longer the recipe's")
    difference = np.abs(before - after).max(axis=2)
    same = {"seed": recipe.seed, "count": recipe.count, "index": recipe.index, "parameters": recipe.parameters}
    own = result.recipe_of(place).model_copy(update=same)
    return Redone(made, own, int(difference.max()), float((difference > 0).mean()), _warnings(recipe, own))


def _recipe(path: Path) -> Recipe:
    told = read_metadata(path)
    try:
        return Recipe.model_validate(told)
    except ValidationError as error:
        where, _ = first_problem(error)
        raise InputError(f"{path.name} carries no recipe of a single edit ({where}): it cannot be repeated") from error


def _inversion(wanted: dict[str, str], given: str | Path | None, folder: Path) -> Inversion:
    paths = [Path(given)] if given is not None else _likely(folder.glob(f"*{SUFFIX}"), wanted["name"])
    for path in paths:
        try:
            found = Inversion.load(path)
        except CheckpointError:
            if given is not None:
                raise
            continue
        if found.sha256 == wanted["sha256"]:
            return found
    name = wanted["name"] or "made in memory"
    raise InputError(f"the inversion ({name}) that was used is not there; give it with --inversion")


def _source(wanted: dict[str, str], given: Any, folder: Iterable[Path]) -> Picture:
    if given is not None:
        picture = load_image(given)
        if picture.sha256 != wanted["sha256"]:
            raise InputError(f"the given picture is not the one that was edited ({wanted['name']})")
        return picture
    for path in _likely(folder, wanted["name"]):
        try:
            picture = load_image(path)
        except InputError:
            continue
        if picture.sha256 == wanted["sha256"]:
            return picture
    raise InputError(f"the edited picture {wanted['name']!r} is not beside the result; give it with --image")


def _map(recipe: Recipe, given: Any, folder: Iterable[Path], size: tuple[int, int]) -> Any:
    wanted, polarity = recipe.change_map or {}, recipe.parameters.get("polarity", "white-changes")
    method = recipe.build()

    def sha256(source: Any) -> str:
        change, _ = load_map(source, size, polarity=polarity)
        return tensor_sha256(method.prepare_map(change) if isinstance(method, ImageMethod) else change)

    if given is not None:
        if sha256(given) != wanted["sha256"]:
            raise InputError(f"the given map is not the one that was used ({wanted['name'] or 'made in memory'})")
        return given
    for path in _likely(folder, wanted["name"]):
        try:
            if sha256(path) == wanted["sha256"]:
                return path
        except InputError:
            continue
    name = wanted["name"] or "made in memory"
    raise InputError(f"the change map ({name}) is not beside the result; give it with --map")


def _likely(folder: Iterable[Path], name: str) -> list[Path]:
    """The files of the folder, the one of that name first."""
    return sorted(folder, key=lambda path: path.name != name)


def _warnings(was: Recipe, now: Recipe) -> list[str]:
    found = []
    if was.model["sha256"] != now.model["sha256"]:
        found.append(f"the weights of {was.model['name']} are not those that made the picture")
    for key, value in was.environment.items():
        if now.environment.get(key) != value:
            found.append(f"{key} was {value}, now {now.environment.get(key)}")
    return found
