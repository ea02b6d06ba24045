"""What scenes are called: a small closed grammar whose every sentence is true of the picture."""

from __future__ import annotations

import random
from itertools import pairwise

from scumble_lab.world.scene import Object, Scene
from scumble_lab.world.words import COLORS, MATERIALS, SHAPES, SIZES

FLOOR_PHRASES: dict[str, str] = {
    "plain": "on a plain floor",
    "checkered": "on a checkered floor",
    "wooden": "on a wooden floor",
    "grass": "on grass",
    "sand": "on sand",
    "snow": "on snow",
    "water": "on water",
}
SKY_PHRASES: dict[str, str] = {
    "day": "by day",
    "sunset": "at sunset",
    "night": "at night",
    "overcast": "under an overcast sky",
}
NOTHING = "nothing"
_CLEAR = 0.08
"""Object middles nearer than this, in picture widths, are not called left or right of each other."""


def noun_phrase(item: Object, *, size: bool = True, matte: bool = False) -> str:
    """An object in words: `a large red metal cube`."""
    words = [item.size] if size else []
    words.append(item.color)
    if item.material != "matte" or matte:
        words.append(item.material)
    article = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([article, *words, item.shape])


def left_to_right(scene: Scene) -> list[tuple[float, Object]]:
    """The objects with the middles of their picture boxes (0 to 1), from the left."""
    middles = [
        ((left + right) / 2, item) for (left, _, right, _), item in zip(scene.boxes(), scene.objects, strict=True)
    ]
    return sorted(middles, key=lambda entry: entry[0])


def caption(scene: Scene) -> str:
    """The canonical sentence: everything said, objects from left to right."""
    order = left_to_right(scene)
    phrases = [noun_phrase(item) for _, item in order]
    link = " left of " if len(order) == 2 and _apart(order) else " and "
    return " ".join([link.join(phrases) or NOTHING, FLOOR_PHRASES[scene.floor], SKY_PHRASES[scene.sky]])


def captions(scene: Scene, rng: random.Random) -> str:
    """One of the wordings of the scene, drawn by `rng`.

    Sizes, floor and sky are sometimes left out, `matte` is sometimes said, and two objects are
    linked by `left of`, `right of` or `and`.
    """
    order = left_to_right(scene)
    phrases = [noun_phrase(item, size=rng.random() > 0.25, matte=rng.random() < 0.3) for _, item in order]
    link, draw = " and ", rng.random()
    if len(order) == 2 and _apart(order) and draw > 0.2:
        link = " left of "
        if draw < 0.45:
            link, phrases = " right of ", phrases[::-1]
    words = [link.join(phrases) or NOTHING]
    if rng.random() > 0.12:
        words.append(FLOOR_PHRASES[scene.floor])
    if rng.random() > 0.20:
        words.append(SKY_PHRASES[scene.sky])
    return " ".join(words)


def _apart(order: list[tuple[float, Object]]) -> bool:
    return all(b[0] - a[0] > _CLEAR for a, b in pairwise(order))


def vocabulary() -> list[str]:
    """All words the grammar can say, sorted."""
    phrases = [*FLOOR_PHRASES.values(), *SKY_PHRASES.values(), "a an and left right of", NOTHING]
    words = {word for phrase in phrases for word in phrase.split()}
    return sorted(words.union(SHAPES, COLORS, MATERIALS, SIZES))
