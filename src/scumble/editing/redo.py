"""Make a picture again from its recipe, and say how different it came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel

from scumble.editing.editor import Editor
from scumble.editing.maps_from_words import is_from_words
from scumble.errors import InputError
from scumble.file_field import NamedFile, marked_files
from scumble.hashing import tensor_sha256
from scumble.images import MapSource, Picture, Source, load_image, load_map
from scumble.inversion.inversion import Inversion
from scumble.methods.asyrp.bundled import bundled_directions
from scumble.methods.base import ImageMethod
from scumble.methods.extras.parse import from_recipe
from scumble.methods.method import Method
from scumble.models.clip import BUNDLED_CLIPS
from scumble.models.loading import BUNDLED
from scumble.records.beside import Beside
from scumble.records.map_inside import MAP_KEY, map_from_text
from scumble.records.metadata import read_texts
from scumble.records.recipe import Recipe, read_recipe
from scumble.records.recorded_runtime import recorded_runtime
from scumble.records.request import put

__all__ = ["Redone", "editor_of", "redo"]

LOSSY = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Redone:
    """A repeated edit.

    Attributes:
        image: The picture made again.
        recipe: Its recipe.
        largest: Largest difference of any channel of any pixel, in grey levels of 255.
        share: Share of the pixels that differ at all.
        warnings: What is not the same as when the picture was made (weights, versions, device).
        lossy: Whether the compared file keeps pixels only nearly: then a difference is no failure.
    """

    image: Image.Image
    recipe: Recipe
    largest: int
    share: float
    warnings: list[str] = field(default_factory=list)
    lossy: bool = False


def redo(
    path: str | Path,
    *,
    image: Source | None = None,
    change_map: MapSource | Sequence[MapSource] | None = None,
    inversion: str | Path | None = None,
    inputs: Sequence[str | Path] = (),
    model: str | None = None,
    device: str | None = None,
    editor: Editor | None = None,
    allow_fetch: bool = False,
    max_cost: int | None = None,
) -> Redone:
    """Repeat the edit that made ``path``, in the same batch it was made in.

    A recipe is data that anybody may have written: files that it names are looked for by their content, in the folder
    of ``path``, in what a studio keeps there, and in ``inputs``, and never opened because it says where they are.

    Args:
        path: A picture with its recipe.
        image: The edited picture; looked for by hash when not given.
        change_map: The change map; likewise.
        inversion: The inversion file; likewise.
        inputs: More folders to look in.
        model: The model; one of the package's by the recipe's name when not given.
        device: Device; chosen as usual by default.
        editor: An editor whose model is loaded already, in place of ``model`` and ``device``.
        allow_fetch: Also take models from the hub that the recipe names.
        max_cost: Refuse, before anything runs, what may take more rows of the network, forward and backward.

    Raises:
        InputError: If the recipe, the picture or the map cannot be found or do not match their hashes.
    """
    target = Path(path)
    recipe = read_recipe(target)
    beside = Beside.around(target, inputs)
    files = _Files(recipe, beside, allow_fetch)
    method, also = files.filled(recipe.build(), ""), [files.extra(k) for k in range(len(recipe.also))]
    source = None if recipe.input is None else _source(recipe, image, beside)
    more: dict[str, Any] = {}
    if source is not None and recipe.change_map is not None:
        stored_map = _map_inside(target, recipe, method, source.rgb.size) if change_map is None else None
        more = stored_map or {"change_map": _map(recipe, method, change_map, beside, source.rgb.size)}
    stored = None if recipe.inversion is None else _inversion(recipe.inversion, inversion, beside)
    editor = editor or editor_of(recipe, beside, model, device, allow_fetch)
    fields = type(method).model_fields
    # Where candidates were ranked and only the best kept, the one that is wanted may be any.
    changed = {**more, **({"keep": None} if "keep" in fields else {})}
    # Fields are copied, not read again: what is not in a recipe (a map as an array) stays what it is.
    method = method.model_copy(update=changed)
    result = editor.again(source, method, recipe, inversion=stored, also=also, max_cost=max_cost)
    again = result.images[0]
    before, after = np.asarray(load_image(target).rgb, np.int16), np.asarray(again.convert("RGB"), np.int16)
    if before.shape != after.shape:
        raise InputError(f"{target.name} was changed after it was made: its size is no longer the recipe's")
    difference = np.abs(before - after).max(axis=2)
    lossy = target.suffix.lower() in LOSSY
    warnings = _warnings(recipe, result.recipe)
    if lossy:
        warnings.append(f"{target.name} keeps its pixels only nearly ({target.suffix[1:].upper()}): compared loosely")
    same = {"seed": recipe.seed, "count": recipe.count, "index": recipe.index, "parameters": recipe.parameters}
    now = result.recipe_of(0).model_copy(update=same)
    return Redone(again, now, int(difference.max()), float((difference > 0).mean()), warnings, lossy)


def editor_of(
    recipe: Recipe, beside: Beside, model: str | None = None, device: str | None = None, allow_fetch: bool = False
) -> Editor:
    """The editor that a recipe was made with, with all that was put on its model.

    Raises:
        InputError: If the model is not in the package and none is given, or a file that was put on it is not there.
    """
    runtime, dtype = recorded_runtime(recipe.environment, device)
    name = model or _model(recipe, allow_fetch)
    return Editor.from_pretrained(name, device=device, runtime=runtime, dtype=dtype, **_put_on(recipe, beside))


@dataclass(frozen=True)
class _Files:
    """Fills in the files that parameters and extras of a recipe name."""

    recipe: Recipe
    beside: Beside
    allow_fetch: bool

    def filled(self, settings: Method, prefix: str) -> Method:
        """The method with the paths of its files."""
        body = self._body(settings, self.recipe.settled_parameters(), prefix)
        return settings if body is None else self.recipe.build(**body)

    def extra(self, k: int) -> Any:
        """What acted besides, with the paths of its files."""
        about = self.recipe.settled_also()[k]
        extra = from_recipe(about)
        body = self._body(extra, about, f"also.{k}.")
        return extra if body is None else from_recipe(body)

    def _body(self, settings: BaseModel, values: Mapping[str, Any], prefix: str) -> dict[str, Any] | None:
        paths = {named.place: path for named in marked_files(settings) if (path := self._path(named, prefix))}
        if not paths:
            return None
        body: dict[str, Any] = {name: _copied(value) for name, value in values.items()}
        for place, path in paths.items():
            put(body, place, path)
        return body

    def _path(self, named: NamedFile, prefix: str) -> str | None:
        """Where a file is, or None where a name of something in the package stands."""
        if named.kind == "model":
            if named.path in BUNDLED_CLIPS or self.allow_fetch:
                return None
            raise InputError(f"the recipe asks for the model {named.path[:100]!r}: --allow-fetch lets it be loaded")
        if named.kind == "direction" and named.path in bundled_directions():
            return None
        wanted = self.recipe.files.get(prefix + named.place, {"name": named.path, "sha256": ""})
        path = self.beside.file(wanted)
        if path is None:
            raise InputError(
                f"the file {wanted['name'][:100]!r} ({prefix + named.place}) is not beside the result;"
                " put it there, or name its folder with --inputs"
            )
        return str(path)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value


def _model(recipe: Recipe, allow_fetch: bool) -> str:
    name = recipe.model["name"]
    if name in BUNDLED or (allow_fetch and name.count("/") == 1 and not Path(name).exists()):
        return name
    raise InputError(
        f"the recipe was made with the model {name[:100]!r}, which is not in the package: give it with --model"
        " (or let a hub model be fetched with --allow-fetch)"
    )


def _inversion(wanted: dict[str, str], given: str | Path | None, beside: Beside) -> Inversion:
    loaded = beside.inversion(wanted) if given is None else Inversion.load(given)
    if loaded is not None and loaded.sha256 == wanted["sha256"]:
        return loaded
    name = wanted["name"] or "made in memory"
    raise InputError(f"the inversion ({name}) that was used is not there; give it with --inversion")


def _source(recipe: Recipe, given: Any, beside: Beside) -> Picture:
    wanted = recipe.input or {}
    if given is not None:
        picture = load_image(given)
        if picture.sha256 != wanted["sha256"]:
            raise InputError(f"the given picture is not the one that was edited ({wanted['name']})")
        return picture
    original = beside.picture(wanted, recipe.size)
    if original is None:
        raise InputError(f"the edited picture {wanted['name']!r} is not beside the result; give it with --image")
    return original


def _number(name: str) -> float | None:
    """The number from 0 to 1 that a map was, by the name it has in the recipe."""
    try:
        value = float(name)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _map(recipe: Recipe, method: Method, given: Any, beside: Beside, size: tuple[int, int]) -> Any:
    wanted = recipe.change_map or {}

    def sha256(source: Any) -> str:
        if not isinstance(method, ImageMethod):
            return tensor_sha256(load_map(source, size)[0])
        return tensor_sha256(method.prepare_map(load_map(source, size, polarity=method.polarity)[0]))

    if given is not None:
        if sha256(given) != wanted["sha256"]:
            raise InputError(f"the given map is not the one that was used ({wanted['name'] or 'made in memory'})")
        return given
    if is_from_words(wanted["name"]):
        return wanted["name"]  # made again from the image and the recipe's words
    number = _number(wanted["name"])
    if number is not None and sha256(number) == wanted["sha256"]:
        return number
    map_path = beside.map(wanted, size, sha256)
    if map_path is None:
        name = wanted["name"] or "made in memory"
        raise InputError(f"the change map ({name}) is not beside the result; give it with --map")
    return map_path


def _map_inside(target: Path, recipe: Recipe, method: Method, size: tuple[int, int]) -> dict[str, Any] | None:
    """The fields of a method whose change map is inside the picture; it is kept as strengths, whatever white meant.

    Raises:
        InputError: If the map is not the one that was used.
    """
    text = read_texts(target).get(MAP_KEY)
    if text is None or not isinstance(method, ImageMethod):
        return None
    maps = map_from_text(text, size, f"the change map in {target.name}")
    if tensor_sha256(method.prepare_map(load_map(maps, size)[0])) != (recipe.change_map or {})["sha256"]:
        raise InputError(f"the change map in {target.name} is not the one that was used; give it with --map")
    return {"change_map": maps, "polarity": "white-changes"}


def _put_on(recipe: Recipe, beside: Beside) -> dict[str, Any]:
    """What was put on the model, its files looked for by their content."""

    def path(wanted: Mapping[str, Any]) -> Path:
        ref = {"name": str(wanted.get("name", "")), "sha256": str(wanted.get("sha256", ""))}
        file_path = beside.file(ref) if len(ref["sha256"]) == 64 else None
        if file_path is None:
            raise InputError(
                f"the file {ref['name'][:100]!r} that was put on the model is not beside the result; put it there, or"
                " name its folder with --inputs"
            )
        return file_path

    asked = dict(recipe.model_settings)
    try:
        if "lora" in asked:
            asked["lora"] = [(path(one), one["weight"]) for one in asked["lora"]]
        if "textual_inversion" in asked:
            asked["textual_inversion"] = [path(one) for one in asked["textual_inversion"]]
        asked.pop("ip_encoder", None)  # it lies beside the adapter; the model's hash covers it
        for name in ("vae", "control", "ip_adapter"):
            if name in asked:
                asked[name] = path(asked[name])
        for name in ("control_image", "ip_image"):
            if name in asked:
                asked[name] = _told_picture(asked[name], beside)
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError("the recipe's model_settings cannot be read") from error
    return asked


def _told_picture(wanted: Mapping[str, Any], beside: Beside) -> Picture:
    width, height = wanted["size"]
    ref = {"name": str(wanted["name"]), "sha256": str(wanted["sha256"])}
    picture = beside.picture(ref, (int(width), int(height)))
    if picture is None:
        raise InputError(
            f"the picture {ref['name'][:100]!r} that the network was told is not beside the result; put it there, or"
            " name its folder with --inputs"
        )
    return picture


def _warnings(was: Recipe, now: Recipe) -> list[str]:
    messages = []
    if was.model["sha256"] != now.model["sha256"]:
        messages.append(f"the weights of {was.model['name']} are not those that made the picture")
    if is_from_words((was.change_map or {}).get("name")) and was.change_map != now.change_map:
        messages.append(f"the map made of {(was.change_map or {})['name']} is not the one that was used")
    for place, ref in was.files.items():
        if is_from_words(ref["name"]) and now.files.get(place) != ref:
            messages.append(f"the map made of {ref['name']} is not the one that was used")
    if was.group != now.group:
        messages.append("it was made in a group of edits whose calls of the network were shared otherwise")
    for key, value in was.environment.items():
        if now.environment.get(key) != value:
            messages.append(f"{key} was {value}, now {now.environment.get(key)}")
    return messages
