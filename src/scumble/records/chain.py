"""The edits that led to a picture, one before the other, as far as their pictures lie beside it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.images import Picture
from scumble.records.beside import Beside
from scumble.records.recipe import Recipe, read_recipe

__all__ = ["Chain", "Link", "chain_of", "follow", "original_of"]

LONGEST = 100
"""Edits that are followed back."""


@dataclass(frozen=True)
class Link:
    """One edit: the picture that it made, and its recipe."""

    path: Path
    recipe: Recipe


@dataclass(frozen=True)
class Chain:
    """The edits that led to a picture.

    Attributes:
        links: The edits, the last one first.
        begins: The picture at the beginning, which no edit that is known made; None where there was none, or where it
            is missing.
        missing: Name of the picture that the first link was made from and that is not there any more, or None.
    """

    links: tuple[Link, ...]
    begins: Path | None = None
    missing: str | None = None


def follow(path: Path, beside: Beside) -> Chain:
    """Follow the edits back from a picture; pictures are found by content, whatever their names.

    Raises:
        InputError: If the picture carries no recipe of an edit.
    """
    links = [Link(path, read_recipe(path))]
    while (wanted := links[-1].recipe.input) is not None:
        original = original_of(links[-1].recipe, beside, {one.path.absolute() for one in links})
        if original is None or original.file is None:
            return Chain(tuple(links), missing=wanted["name"] or "without a name")
        recipe = _recipe_at(original.file) if original.has_recipe else None
        if recipe is None or len(links) >= LONGEST:
            return Chain(tuple(links), begins=original.file)
        links.append(Link(original.file, recipe))
    return Chain(tuple(links))


def chain_of(path: Path) -> list[dict[str, Any]]:
    """Return the edits that made a picture, the last one first, in words.

    Each says ``picture`` (its file), ``method``, ``seed`` and ``prompt``; the last of them is the picture at the
    beginning, which no edit made, or the one that is not there any more (``missing``).

    Raises:
        InputError: If the picture carries no recipe of an edit.
    """
    chain = follow(path, Beside.around(path))
    said = [_said(one.path, one.recipe) for one in chain.links]
    if chain.missing is not None:
        said.append({"picture": chain.missing, "missing": True})
    return said if chain.begins is None else [*said, {"picture": chain.begins.name}]


def original_of(recipe: Recipe, beside: Beside, passed: Container[Path]) -> Picture | None:
    """The picture that a result was made from, and none of the files ``passed``: an edit may change nothing."""
    second = None
    for one in beside.pictures(recipe.input or {}, recipe.size):
        if one.file in passed:
            continue
        if one.has_recipe == (recipe.parent is not None):
            return one
        second = second or one
    return second


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
