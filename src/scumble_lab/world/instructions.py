"""Edits as people ask for them: several wordings of one instruction, from a small grammar."""

from __future__ import annotations

import random
from collections.abc import Sequence

from scumble.errors import InputError
from scumble_lab.world.captions import FLOOR_PHRASES, SKY_PHRASES, noun_phrase
from scumble_lab.world.edits import sample_edit
from scumble_lab.world.scene import Object, Scene

__all__ = ["INSTRUCTED", "instructions", "sample_instruction", "undoing"]

INSTRUCTED: dict[str, float] = {
    "recolour": 3.0,
    "rematerial": 1.5,
    "reshape": 2.0,
    "resize": 1.0,
    "remove": 2.0,
    "add": 2.0,
    "move": 2.0,
    "floor": 3.0,
    "sky": 3.0,
}
"""Kinds of edits that can be asked for in words, and how often each is drawn."""

_ALONE = ("it", "the object", "the thing")
"""What the only object of a scene is called too."""

_FLOORS = {
    "plain": ("plain floor",), "checkered": ("checkered floor",), "wooden": ("wooden floor",),
    "grass": ("grass", "meadow"), "sand": ("sand",), "snow": ("snow",), "water": ("water",),
}  # fmt: skip

_SKIES = {"day": "day", "sunset": "sunset", "night": "night", "overcast": "an overcast sky"}


def sample_instruction(scene: Scene, rng: random.Random, count: int = 4) -> tuple[str, Scene, tuple[str, ...]]:
    """Draw a possible edit; returns its kind, the edited scene and ``count`` wordings, the first one canonical.

    Raises:
        InputError: If the scene allows no edit at all.
    """
    kinds, weights = list(INSTRUCTED), list(INSTRUCTED.values())
    for _ in range(20):
        kind = rng.choices(kinds, weights)[0]
        try:
            after, canonical = sample_edit(scene, kind, rng)
        except InputError:
            continue
        others = instructions(scene, after, kind, rng, count - 1)
        return kind, after, (canonical, *others)
    raise InputError("this scene allows none of the edits that can be asked for in words")


def instructions(before: Scene, after: Scene, kind: str, rng: random.Random, count: int) -> tuple[str, ...]:
    """``count`` wordings of the edit that made ``after`` of ``before``, drawn by ``rng``."""
    return tuple(_wording(before, after, kind, rng) for _ in range(count))


def undoing(before: Scene, after: Scene, kind: str, rng: random.Random, count: int) -> tuple[str, ...]:
    """``count`` wordings of the edit that leads from ``after`` back to ``before``."""
    inverse = {"add": "remove", "remove": "add"}.get(kind, kind)
    return instructions(after, before, inverse, rng, count)


def _wording(before: Scene, after: Scene, kind: str, rng: random.Random) -> str:
    if kind == "sky":
        old, new = _SKIES[before.sky], _SKIES[after.sky]
        return rng.choice((
            f"make it {new}", SKY_PHRASES[after.sky], f"change it to {new}", f"change {old} to {new}",
            f"turn {old} into {new}", f"make it {SKY_PHRASES[after.sky]}",
        ))  # fmt: skip
    if kind == "floor":
        name, phrase = rng.choice(_FLOORS[after.floor]), FLOOR_PHRASES[after.floor]
        article = "a " if name.endswith("floor") else ""
        return rng.choice((
            f"put it {phrase}", f"make it {phrase}", phrase, f"change the floor to {article}{name}",
            f"replace the ground with {article}{name}", f"turn the floor into {article}{name}",
        ))  # fmt: skip
    if kind == "add":
        added = next(item for item in after.objects if item not in before.objects)
        thing = noun_phrase(added, size=rng.random() < 0.6)
        return rng.choice((f"add {thing}", f"put {thing} beside it", f"with {thing}", f"one more object, {thing}"))
    changed = _changed(before, after)
    item = before.objects[changed]
    name = _reference(before, item, rng)
    if kind == "remove":
        return rng.choice((f"remove {name}", f"without {name}", f"no more {name.removeprefix('the ')}"))
    changed_item = after.objects[changed]
    if kind == "move":
        side = "left" if changed_item.x < item.x else "right"
        return rng.choice((f"move {name} to the {side}", f"move {name} {side}", f"put {name} more to the {side}"))
    return rng.choice(_altered(name, kind, changed_item))


def _altered(name: str, kind: str, new: Object) -> Sequence[str]:
    """Wordings for an object whose attribute has become that of ``new``."""
    if kind == "recolour":
        return (
            f"make {name} {new.color}", f"turn {name} {new.color}", f"change the color of {name} to {new.color}",
            f"paint {name} {new.color}",
        )  # fmt: skip
    if kind == "rematerial":
        return f"make {name} {new.material}", f"turn {name} {new.material}", f"change {name} to {new.material}"
    if kind == "reshape":
        shape = f"a {new.shape}"
        return (
            f"make {name} {shape}", f"turn {name} into {shape}", f"replace {name} with {shape}",
            f"change {name} to {shape}",
        )  # fmt: skip
    size = new.size if new.size == "small" else "big"
    return f"make {name} {new.size}", f"make {name} {size}", f"change {name} to {new.size}"


def _reference(scene: Scene, item: Object, rng: random.Random) -> str:
    """Words that mean this object and no other one of the scene."""
    names = [f"the {item.color} {item.shape}", f"the {noun_phrase(item).split(' ', 1)[1]}"]
    if sum(other.shape == item.shape for other in scene.objects) == 1:
        names += [f"the {item.shape}"] * 2
    if len(scene.objects) == 1:
        names += _ALONE
    return rng.choice(names)


def _changed(before: Scene, after: Scene) -> int:
    """Index in ``before`` of the one object that is gone or altered."""
    if len(after.objects) < len(before.objects):
        return next(i for i, item in enumerate(before.objects) if item not in after.objects)
    return next(i for i, pair in enumerate(zip(before.objects, after.objects, strict=True)) if pair[0] != pair[1])
