"""Maps of the words of an edit, at the image's size and in one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from scumble.editing.maps_from_words import is_from_words, map_from_words
from scumble.errors import InputError
from scumble.hashing import tensor_sha256
from scumble.images import Picture, Window, load_map
from scumble.methods.method import Method
from scumble.methods.words import Words
from scumble.models.base import Model

__all__ = ["Place", "hashes_of", "load_places", "places_in"]


@dataclass(frozen=True)
class Place:
    """Words and where they hold.

    Attributes:
        words: The words.
        map: (1 or B, 1, H, W) in [0, 1] at the image's size; None: everywhere.
    """

    words: Words
    map: Tensor | None


def load_places(
    model: Model, method: Method, size: tuple[int, int], picture: Picture | None
) -> tuple[list[Place], list[str]]:
    """Load the maps of a method's words, and say where each holds.

    Args:
        model: Looks for ``words:NAME``.
        method: The method; one that takes no places has none.
        size: (width, height) of the image.
        picture: The edited image; None: one is made from nothing.

    Raises:
        InputError: If a map cannot be used, or is to be made from an image that is not there.
    """
    places, notices = [], list[str]()
    for words in getattr(method, "placed_words", ()):
        if words.map is None:
            places.append(Place(words, None))
            continue
        source, remarks = words.map, list[str]()
        if is_from_words(source):
            if picture is None:
                raise InputError(f"{source} is looked for in an image, but one is to be made: draw the map")
            source, remark = map_from_words(model, method, str(source), picture.rgb)
            remarks.append(remark)
        there, more = load_map(source, size)
        share = float((there > 0).double().mean())
        notices += [*remarks, *more, f"{words.text!r} holds on {100 * share:.0f} % of the image"]
        places.append(Place(words, there))
    return places, notices


def places_in(places: Sequence[Place], window: Window) -> tuple[Place, ...]:
    """Return the places as the model sees a window: maps (1 or B, 1, H, W) at its size."""
    return tuple(place if place.map is None else Place(place.words, window.apply_map(place.map)) for place in places)


def hashes_of(places: Sequence[Place]) -> dict[str, dict[str, str]]:
    """Name and hash of each map that was made from words, by its place in the method's parameters."""
    return {
        f"placed_words.{k}.map": {"name": str(place.words.map), "sha256": tensor_sha256(place.map)}
        for k, place in enumerate(places)
        if place.map is not None and is_from_words(place.words.map)
    }
