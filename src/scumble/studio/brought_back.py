"""A result that comes back: what of its recipe the page can take over, and what is not here, by name and hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["brought_back"]


def brought_back(studio: Studio, recipe: dict[str, Any], change_map: str | None = None) -> dict[str, Any]:
    """What of a recipe the page can take over; what is not here is named with its hash. A recipe is data, no more.

    Args:
        studio: Knows what is here.
        recipe: The recipe.
        change_map: Id of its map, where that is known; recipes name a map as the method took it.
    """
    missing: list[str] = []
    recipe = _shaped(recipe)
    known = {one["name"]: one for one in studio.methods}
    method = str(recipe.get("method"))
    parameters = {**recipe["parameters"], **recipe["view"]}
    points = [one for one in _list(parameters.pop("points", None)) if _is_pair(one)]
    places = _places(studio, recipe, _list(parameters.pop("placed_words", None)), missing)
    source = recipe["input"]
    picture = studio.store.picture_by_pixels(str(source.get("sha256", "")))
    if source and picture is None:
        missing.append(
            f"the picture {source.get('name') or 'without a name'} (pixels {str(source.get('sha256'))[:12]}…)"
        )
    wanted = recipe["change_map"]
    if change_map is None and studio.maps.path(str(wanted.get("sha256", ""))):
        change_map = str(wanted["sha256"])
    if wanted and change_map is None:
        missing.append(
            f"the map {wanted.get('name') or 'without a name'} (strengths {str(wanted.get('sha256'))[:12]}…)"
        )
    if method not in known:
        missing.append(f"the method {method}")
        method = "differential-diffusion"
    fields = {one["name"]: one for one in known.get(method, {}).get("fields", ())}
    sent = {name for name, one in fields.items() if one["kind"] == "file"}
    files = _sent(studio, recipe, sent, missing)
    inversion = _from_shelf(studio, recipe, missing)
    parameters = {name: value for name, value in parameters.items() if name not in sent}
    changed = {name: value for name, value in parameters.items() if name in fields and value != fields[name]["default"]}
    info = None if picture is None else {**picture, "recipe": None}
    return {
        "method": method,
        "parameters": changed,
        "seed": _number(recipe.get("seed"), 0),
        "index": _number(recipe.get("index"), 0),
        "count": _number(recipe.get("count"), 1),
        "picture": info,
        "map": change_map,
        "points": points,
        "places": places,
        "files": files,
        "inversion": inversion,
        "missing": missing,
    }


def _shaped(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe whose parts are objects where objects are expected: whoever wrote the file may have put in anything."""
    parts = ("parameters", "view", "input", "change_map", "files", "inversion")
    objects = {name: one if isinstance(one := recipe.get(name), dict) else {} for name in parts}
    objects["files"] = {name: one for name, one in objects["files"].items() if isinstance(one, dict)}
    return {**recipe, **objects}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any, usual: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53 else usual


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(one, int | float) for one in value)


def _places(studio: Studio, recipe: dict[str, Any], words: list[Any], missing: list[str]) -> list[dict[str, Any]]:
    """The words of a recipe that have a place, each with its map where that is here."""
    files = recipe["files"]
    places = []
    for k, one in enumerate(words):
        if not isinstance(one, dict):
            continue
        digest = str((files.get(f"placed_words.{k}.map") or {}).get("sha256", ""))
        there = studio.maps.by_file(digest) if digest else None
        if isinstance(one.get("map"), str) and there is None:
            missing.append(f"the map of {str(one.get('text'))!r} (file {digest[:12]}…)")
        numbers = {name: one[name] for name in ("weight", "begin", "end") if isinstance(one.get(name), int | float)}
        mode = "add" if one.get("mode") == "add" else "blend"
        places.append({"text": str(one.get("text") or ""), "map": there, "mode": mode, **numbers})
    return places


def _sent(studio: Studio, recipe: dict[str, Any], names: set[str], missing: list[str]) -> dict[str, dict[str, str]]:
    """The files of a recipe's fields that are here."""
    files = {}
    for name, one in recipe["files"].items():
        if name in names:
            digest, called = str(one.get("sha256", "")), str(one.get("name") or name)
            if studio.pictures.path(digest) or studio.texts.path(digest):
                files[name] = {"id": digest, "name": called}
            else:
                missing.append(f"the file {called} of {name} ({digest[:12]}…)")
    return files


def _from_shelf(studio: Studio, recipe: dict[str, Any], missing: list[str]) -> str | None:
    """The inversion that a recipe started from, where it is on the shelf."""
    wanted = recipe["inversion"]
    digest = str(wanted.get("sha256", ""))
    there = next((one["id"] for one in studio.store.inversions() if digest and one.get("sha256") == digest), None)
    if wanted and there is None:
        missing.append(f"the inversion {wanted.get('name') or 'without a name'} ({digest[:12]}…)")
    return there
