"""Edits of scenes: each gives the edited scene, whose picture is the true answer to the edit."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from scumble.errors import InputError
from scumble_lab.world.captions import FLOOR_PHRASES, SKY_PHRASES, noun_phrase
from scumble_lab.world.layout import box
from scumble_lab.world.scene import MOST_OBJECTS, Object, Scene, facing_yaw
from scumble_lab.world.words import COLORS, FLOORS, MATERIALS, SHAPES, SIZES, SKIES, check_word


def recolour(scene: Scene, color: str, which: int = 0) -> Scene:
    """Give object `which` another colour."""
    return _swap(scene, which, color=color)


def rematerial(scene: Scene, material: str, which: int = 0) -> Scene:
    """Give object `which` another material."""
    return _swap(scene, which, material=material)


def reshape(scene: Scene, shape: str, which: int = 0) -> Scene:
    """Make object `which` another shape in the same place."""
    return _swap(scene, which, shape=shape)


def resize(scene: Scene, size: str, which: int = 0) -> Scene:
    """Make object `which` small or large in the same place."""
    return _swap(scene, which, size=size)


def move(
    scene: Scene, which: int = 0, *, by: tuple[float, float] | None = None, to: tuple[float, float] | None = None
) -> Scene:
    """Move object `which` over the floor.

    Either `by` a vector (x, y) in world units, right and away, or `to` a picture position (0 to 1, right and
    down) where the middle of its box should be.
    """
    item = _chosen(scene, which)
    if (by is None) == (to is None):
        raise InputError("move needs either by=(x, y) on the floor or to=(x, y) in the picture")
    x, y = (item.x + by[0], item.y + by[1]) if by is not None else _seen_at(scene, item, to or (0.5, 0.5))
    return _swap(scene, which, x=x, y=y)


def remove(scene: Scene, which: int = 0) -> Scene:
    """Take object `which` away."""
    _chosen(scene, which)
    return replace(scene, objects=scene.objects[:which] + scene.objects[which + 1 :])


def add(scene: Scene, item: Object) -> Scene:
    """Put another object into the scene, as the last of its list."""
    return replace(scene, objects=(*scene.objects, item))


def floor(scene: Scene, name: str) -> Scene:
    """Lay another floor."""
    return replace(scene, floor=name)


def sky(scene: Scene, name: str) -> Scene:
    """Another sky, and with it another light."""
    return replace(scene, sky=name)


def pan(scene: Scene, right: float = 0.0, down: float = 0.0) -> Scene:
    """Slide the picture over the scene, in picture widths; what both pictures show stays the same."""
    if not max(abs(scene.camera.pan_x + right), abs(scene.camera.pan_y + down)) <= 1.0:
        raise InputError(f"a picture pans by at most one width, asked for {right} right and {down} down")
    camera = replace(scene.camera, pan_x=scene.camera.pan_x + right, pan_y=scene.camera.pan_y + down)
    return replace(scene, camera=camera)


EDITS: dict[str, Callable[..., Scene]] = {
    "recolour": recolour,
    "rematerial": rematerial,
    "reshape": reshape,
    "resize": resize,
    "move": move,
    "remove": remove,
    "add": add,
    "floor": floor,
    "sky": sky,
    "pan": pan,
}


def edit(scene: Scene, kind: str, *values: Any, **named: Any) -> Scene:
    """Edit a scene by the name of the edit, e.g. `edit(scene, "recolour", "blue", which=1)`.

    Raises:
        InputError: for an unknown edit or word, a missing value, an object that is not there, an edit that
            changes nothing, or one whose objects would overlap in the picture or leave it.
    """
    check_word("edit", kind, EDITS)
    try:
        edited = EDITS[kind](scene, *values, **named)
    except TypeError as error:
        raise InputError(f"cannot {kind} with these values: {error}") from error
    if edited == scene:
        raise InputError(f"{kind} would change nothing: the scene is already so")
    return edited


def sample_edit(scene: Scene, kind: str, rng: random.Random) -> tuple[Scene, str]:
    """Draw a possible edit of a kind; returns the edited scene and what was done, in words.

    Raises:
        InputError: for an unknown kind, or if no such edit is possible here.
    """
    check_word("edit", kind, EDITS)
    reason = "there is no object"
    for _ in range(150):
        try:
            values, words = _draw(scene, kind, rng)
            return edit(scene, kind, **values), words
        except InputError as error:
            reason = str(error)
    raise InputError(f"found no possible {kind} of this scene: {reason}")


def _draw(scene: Scene, kind: str, rng: random.Random) -> tuple[dict[str, Any], str]:
    if kind == "floor":
        name = _other(rng, FLOORS, scene.floor)
        return {"name": name}, f"put it {FLOOR_PHRASES[name]}"
    if kind == "sky":
        name = _other(rng, SKIES, scene.sky)
        return {"name": name}, f"make it {SKY_PHRASES[name]}"
    if kind == "pan":
        share, side = rng.choice((0.125, 0.25)), rng.choice(("left", "right"))
        return {"right": -share if side == "left" else share}, f"pan {side} by {share:.3g} of the picture"
    if kind == "add":
        item = _draw_object(scene, rng)
        return {"item": item}, f"add {noun_phrase(item)}"
    which = rng.randrange(max(len(scene.objects), 1))
    item = _chosen(scene, which)
    named = f"the {noun_phrase(item).split(' ', 1)[1]}"
    if kind == "remove":
        return {"which": which}, f"remove {named}"
    if kind == "move":
        by = (rng.uniform(-1.5, 1.5), rng.uniform(-0.4, 1.2))
        if abs(by[0]) < 0.35:
            raise InputError("the move would be too small to see")
        return {"which": which, "by": by}, f"move {named} to the {'left' if by[0] < 0 else 'right'}"
    key, words = _ATTRIBUTE_OF[kind]
    word = _other(rng, words, getattr(item, key))
    return {"which": which, key: word}, f"make {named} {_AS.get(key, '')}{word}"


_ATTRIBUTE_OF: dict[str, tuple[str, tuple[str, ...]]] = {
    "recolour": ("color", tuple(COLORS)),
    "rematerial": ("material", MATERIALS),
    "reshape": ("shape", SHAPES),
    "resize": ("size", tuple(SIZES)),
}
_AS = {"shape": "a "}


def _draw_object(scene: Scene, rng: random.Random) -> Object:
    if len(scene.objects) >= MOST_OBJECTS:
        raise InputError(f"a scene holds at most {MOST_OBJECTS} objects")
    free = [color for color in COLORS if color not in {item.color for item in scene.objects}]
    shape, y = rng.choice(SHAPES), rng.uniform(-0.25, 2.2)
    half = (y - scene.camera.y) * scene.camera.lens
    x = rng.uniform(-half, half)
    yaw = facing_yaw(rng, shape, x, y, scene.camera)
    size = rng.choice(("small", "small", "large"))
    return Object(shape, rng.choice(free), rng.choice(MATERIALS), size, x, y, yaw)


def _other(rng: random.Random, words: tuple[str, ...], word: str) -> str:
    return rng.choice([other for other in words if other != word])


def _chosen(scene: Scene, which: int) -> Object:
    if not 0 <= which < len(scene.objects):
        count = len(scene.objects)
        raise InputError(f"there is no object {which}: the scene has {count}, counted from 0")
    return scene.objects[which]


def _swap(scene: Scene, which: int, **changes: Any) -> Scene:
    items = list(scene.objects)
    items[which] = replace(_chosen(scene, which), **changes)
    return replace(scene, objects=tuple(items))


def _seen_at(scene: Scene, item: Object, target: tuple[float, float]) -> tuple[float, float]:
    """The floor point that brings the middle of an object's box to a picture position, by Newton's method."""

    def middle(x: float, y: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        x0, y0, x1, y1 = box(replace(item, x=x, y=y), scene.camera)
        return np.array([(x0 + x1) / 2, (y0 + y1) / 2])

    spot, step = np.array([item.x, item.y]), 1e-4
    for _ in range(20):
        miss = middle(*spot) - target
        if np.abs(miss).max() < 1e-5:
            return float(spot[0]), float(spot[1])
        slope = np.stack(
            [(middle(*(spot + step * axis)) - middle(*(spot - step * axis))) / (2 * step) for axis in np.eye(2)], -1
        )
        if not np.isfinite(slope).all() or abs(np.linalg.det(slope)) < 1e-9:
            break
        spot = spot - np.clip(np.linalg.solve(slope, miss), -1.0, 1.0)
    raise InputError(f"the floor does not reach picture position {target}: choose one below the horizon")
