"""What a file itself says of a result or an inversion, for an index that was lost. Needs the engine, but no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scumble.errors import InputError, ScumbleError

__all__ = ["found_inversion", "found_map", "found_result"]


def found_result(path: Path, inputs: list[str]) -> dict[str, Any] | None:
    """What a written result says: its recipe, what it was made from, and what changed, counted anew.

    Args:
        path: The file.
        inputs: More folders in which its picture may lie.

    Returns:
        ``recipe``, ``pixels`` and ``source`` and ``map`` (files that were found by content, or None), ``proof``,
        ``arrival``, ``width``, ``height``; None where it carries no recipe of an edit.
    """
    from scumble.images import load_image
    from scumble.records.beside import Beside
    from scumble.records.chain import original_of
    from scumble.records.recipe import read_recipe
    from scumble.studio.proof import arrival_of, counted

    try:
        recipe = read_recipe(path)
    except ScumbleError:
        return None
    beside = Beside.around(path, inputs)
    made, source = load_image(path), original_of(recipe, beside, {path.absolute()})
    near, change = (None, None) if source is None else _map(recipe, beside, source.size)
    known = source is not None and (recipe.change_map is None or change is not None)
    return {
        "recipe": recipe.model_dump(mode="json"),
        "pixels": made.sha256,
        "source": None if source is None else str(source.file),
        "map": None if near is None else str(near),
        "proof": counted(path, source.rgb, change) if source is not None and known else None,
        "arrival": arrival_of(recipe.report),
        "width": made.size[0],
        "height": made.size[1],
    }


def _map(recipe: Any, beside: Any, size: tuple[int, int]) -> tuple[Path | None, Any]:
    """The file of a recipe's map and the map as the method took it, by its hash."""
    from scumble.hashing import tensor_sha256
    from scumble.images import load_map

    if recipe.change_map is None:
        return None, None
    method: Any = recipe.build()

    def taken(path: Path) -> Any:
        return method.prepare_map(load_map(path, size, polarity=method.polarity)[0])

    near = beside.map(recipe.change_map, size, lambda path: tensor_sha256(taken(path)))
    return near, None if near is None else taken(near)


def found_map(path: Path, folders: list[str]) -> str | None:
    """The file of the map that a picture's recipe names, looked for by what its method takes of it; None: not there.

    Args:
        path: A picture with a recipe.
        folders: Where maps lie.
    """
    from scumble.records.beside import Beside
    from scumble.records.recipe import read_recipe

    try:
        recipe = read_recipe(path)
        near, _ = _map(recipe, Beside(tuple(map(Path, folders))), recipe.size)
    except ScumbleError:
        return None
    return None if near is None else str(near)


def found_inversion(path: Path) -> dict[str, Any]:
    """What an inversion's file says.

    Raises:
        InputError: If it cannot be read.
    """
    from scumble.inversion.inversion import Inversion

    try:
        one = Inversion.load(path)
    except ScumbleError as error:
        raise InputError(str(error)) from error
    return {
        "pixels": one.picture_sha256,
        "name": f"{Path(one.picture_name).stem or 'picture'}, {one.kind}, {one.steps} steps",
        "body": {
            "kind": one.kind,
            "steps": one.steps,
            "first": one.first,
            "sha256": one.sha256,
            "error": {name: float(value) for name, value in one.error.items()},
            "bytes": path.stat().st_size,
        },
    }
