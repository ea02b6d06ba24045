"""The edits that led to a picture, one before the other, as far as their pictures lie beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.records.beside import Beside
from scumble.records.recipe import Recipe, read_recipe

__all__ = ["chain_of"]

LONGEST = 100
"""Edits that are followed back."""


def chain_of(path: Path) -> list[dict[str, Any]]:
    """Return the edits that made a picture, the last one first; pictures are found by content, whatever their names.

    Each says ``picture`` (its file), ``method``, ``seed`` and ``prompt``; the last of them is the picture at the
    beginning, which no edit made, or the one that is not there any more (``missing``).

    Raises:
        InputError: If the picture carries no recipe of an edit.
    """
    recipe: Recipe | None = read_recipe(path)
    beside, place, links, passed = Beside((path.absolute().parent,)), path, list[dict[str, Any]](), set[str]()
    while recipe is not None and len(links) < LONGEST:
        links.append(_said(place, recipe))
        wanted = recipe.input
        if wanted is None or wanted["sha256"] in passed:
            break
        passed.add(wanted["sha256"])
        original = beside.picture(wanted, recipe.size)
        if original is None or original.file is None:
            links.append({"picture": wanted["name"], "missing": True})
            break
        place, has_recipe = original.file, original.has_recipe
        recipe = _recipe_at(place) if has_recipe else None
        if recipe is None:
            links.append({"picture": place.name})
    return links


def _recipe_at(place: Path) -> Recipe | None:
    try:
        return read_recipe(place)
    except InputError:
        return None


def _said(place: Path, recipe: Recipe) -> dict[str, Any]:
    prompt = recipe.parameters.get("prompt")
    return {
        "picture": place.name,
        "method": recipe.method,
        "seed": recipe.seed + recipe.index,
        "prompt": prompt if isinstance(prompt, str) else "",
    }
