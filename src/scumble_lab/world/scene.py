"""Scenes as frozen data, and the drawing of scenes by lot."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from scumble.errors import InputError
from scumble_lab.world.camera import Camera
from scumble_lab.world.layout import Box, box, fault
from scumble_lab.world.words import COLORS, FLOORS, MATERIALS, SHAPES, SIZES, SKIES, check_word

MOST_OBJECTS = 3

__all__ = [
    "COLORS", "FLOORS", "MATERIALS", "SHAPES", "SIZES", "SKIES",
    "Camera", "Object", "Scene", "sample_scene",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Object:
    """One object on the floor at `(x, y)`, turned by `yaw` radians about the vertical.

    Raises:
        InputError: for an unknown attribute word or a position that is no number.
    """

    shape: str
    color: str
    material: str = "matte"
    size: str = "large"
    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.4

    def __post_init__(self) -> None:
        check_word("shape", self.shape, SHAPES)
        check_word("color", self.color, COLORS)
        check_word("material", self.material, MATERIALS)
        check_word("size", self.size, SIZES)
        _check_numbers("object", self, ("x", "y", "yaw"))


@dataclass(frozen=True, slots=True)
class Scene:
    """Objects on a floor under a sky, seen by a camera and lit from one point.

    `seed` draws the textures and the place of clouds, sun and moon; `floor_yaw` turns the floor's
    pattern.

    Raises:
        InputError: for unknown words, more than three objects, or objects that overlap in the
            picture or leave it (before panning), with the reason.
    """

    objects: tuple[Object, ...]
    floor: str = "plain"
    sky: str = "day"
    camera: Camera = field(default_factory=Camera)
    light: tuple[float, float, float] = (3.2, -2.8, 5.5)
    floor_yaw: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", tuple(self.objects))
        object.__setattr__(self, "light", tuple(float(value) for value in self.light))
        check_word("floor", self.floor, FLOORS)
        check_word("sky", self.sky, SKIES)
        if len(self.objects) > MOST_OBJECTS:
            raise InputError(f"a scene holds at most {MOST_OBJECTS} objects, got {len(self.objects)}")
        if len(self.light) != 3 or not all(map(math.isfinite, self.light)) or self.light[2] <= 2.0:
            raise InputError(f"the light must be a point (x, y, z) above all objects (z > 2), got {self.light}")
        _check_numbers("camera", self.camera, tuple(f.name for f in fields(Camera)))
        if self.camera.y >= 0 or self.camera.z <= 0 or self.camera.lens <= 0:
            raise InputError("the camera must stand in front of and above the floor's middle (y < 0, z > 0)")
        if reason := fault(self.objects, self.camera):
            raise InputError(reason)

    def boxes(self) -> tuple[Box, ...]:
        """Each object's (left, top, right, bottom) as picture positions, 0 to 1, panning included."""
        return tuple(box(item, self.camera) for item in self.objects)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` gives back an equal scene."""
        data = asdict(self)
        data["objects"], data["light"] = list(data["objects"]), list(data["light"])
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scene:
        """The scene that `to_dict` described.

        Raises:
            InputError: for unknown or missing fields and for everything `Scene` refuses.
        """
        _check_fields("scene", data, cls)
        if "objects" not in data:
            raise InputError("a scene needs its list of objects")
        parts = dict(data)
        for item in data["objects"]:
            _check_fields("object", item, Object)
        try:
            parts["objects"] = tuple(Object(**item) for item in data["objects"])
            if "camera" in data:
                _check_fields("camera", data["camera"], Camera)
                parts["camera"] = Camera(**data["camera"])
            return cls(**parts)
        except TypeError as error:
            raise InputError(f"not a scene: {error}") from error


def _check_numbers(what: str, holder: object, names: Sequence[str]) -> None:
    for name in names:
        value = getattr(holder, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"the {what}'s {name} must be a finite number, got {value!r}")


def _check_fields(what: str, data: object, kind: type) -> None:
    if not isinstance(data, Mapping):
        raise InputError(f"a {what} must be a mapping of its fields, got {type(data).__name__}")
    for name in data:
        check_word(f"field of a {what}", name, [f.name for f in fields(kind)])


_DISTANCE = {0: 4.9, 1: 4.9, 2: 5.55, 3: 6.9}
_SCENE_KEYS = ("floor", "sky", "camera", "light", "floor_yaw", "seed")
_OBJECT_KEYS = {"shape": SHAPES, "color": tuple(COLORS), "material": MATERIALS, "size": tuple(SIZES)}


def sample_scene(seed: int | random.Random, objects: int | None = None, **fixed: Any) -> Scene:
    """Draw a scene; the same seed gives the same scene.

    `objects` fixes their number (else one or two, rarely three). `fixed` sets `floor`, `sky`,
    `camera`, `light`, `floor_yaw` or `seed` of the scene, or `shape`, `color`, `material`, `size` of
    the objects: one word for all of them or a sequence with one word each. Colours differ within a
    scene unless fixed.

    Raises:
        InputError: for unknown keys or words, or if what is fixed leaves no room.
    """
    rng = random.Random(seed) if isinstance(seed, int) else seed
    for key in fixed:
        check_word("attribute", key, [*_SCENE_KEYS, *_OBJECT_KEYS])
    count = rng.choices((1, 2, 3), (0.56, 0.40, 0.04))[0] if objects is None else objects
    if not 0 <= count <= MOST_OBJECTS:
        raise InputError(f"a scene holds 0 to {MOST_OBJECTS} objects, asked for {count}")
    wanted = {key: _spread(key, fixed[key], count) for key in _OBJECT_KEYS if key in fixed}
    side = rng.choice((-1.0, 1.0))
    rest: dict[str, Any] = {
        "floor": rng.choice(FLOORS),
        "sky": rng.choice(SKIES),
        "light": (side * rng.uniform(2.5, 4.5), -rng.uniform(1.5, 4.0), rng.uniform(4.5, 6.5)),
        "floor_yaw": rng.uniform(-0.5, 0.5),
        "seed": rng.randrange(1_000_000),
    }
    rest.update({key: fixed[key] for key in _SCENE_KEYS if key in fixed and key != "camera"})
    for attempt in range(40):
        step_back = 1 + 0.03 * max(0, attempt - 5)  # what is fixed may need more room than usual
        camera = fixed.get("camera") or _sample_camera(rng, count, step_back)
        kinds = _sample_kinds(rng, count, wanted)
        for _ in range(25):
            items = [_place(rng, kind, slot, count, camera) for slot, kind in enumerate(kinds)]
            if fault(items, camera, margin=0.02, gap=0.015) is None:
                return Scene(objects=tuple(items), camera=camera, **rest)
    raise InputError(f"found no room for {count} objects with {fixed or 'this camera'}: fix fewer attributes")


def _spread(key: str, value: object, count: int) -> list[str]:
    words = [value] * count if isinstance(value, str) else list(value) if isinstance(value, Sequence) else [value]
    if len(words) != count:
        raise InputError(f"{key}={value!r} names {len(words)} objects, but the scene has {count}")
    return [check_word(key, word, _OBJECT_KEYS[key]) for word in words]


def _sample_camera(rng: random.Random, count: int, step_back: float = 1.0) -> Camera:
    distance = _DISTANCE[count] * rng.uniform(0.97, 1.04) * step_back
    half = distance * 0.36  # half the picture's width in the world, at the objects
    look_z = half * rng.uniform(0.68, 0.74)
    return Camera(
        x=rng.uniform(-0.3, 0.3),
        y=-distance,
        z=look_z + half * rng.uniform(0.56, 0.64),
        look_x=rng.uniform(-0.08, 0.08),
        look_z=look_z,
    )


def _sample_kinds(rng: random.Random, count: int, wanted: Mapping[str, list[str]]) -> list[dict[str, str]]:
    colors = rng.sample(list(COLORS), count)
    sizes = [rng.choice(tuple(SIZES)) for _ in range(count)]
    return [
        {
            "shape": wanted["shape"][i] if "shape" in wanted else rng.choice(SHAPES),
            "color": wanted["color"][i] if "color" in wanted else colors[i],
            "material": wanted["material"][i]
            if "material" in wanted
            else rng.choices(MATERIALS, (0.45, 0.28, 0.27))[0],
            "size": wanted["size"][i] if "size" in wanted else sizes[i],
        }
        for i in range(count)
    ]


def _place(rng: random.Random, kind: dict[str, str], slot: int, count: int, camera: Camera) -> Object:
    """Somewhere in the object's share of the picture's width, with its faces turned well to the camera."""
    half = -camera.y * camera.lens
    share = 2 * half / max(count, 1)
    middle = -half + share * (slot + 0.5)
    x = middle + rng.uniform(-0.5, 0.5) * share * (0.55 if count == 1 else 0.35)
    y = rng.uniform(-0.25, 0.45)
    return Object(**kind, x=x, y=y, yaw=facing_yaw(rng, kind["shape"], x, y, camera))


def facing_yaw(rng: random.Random, shape: str, x: float, y: float, camera: Camera) -> float:
    """A yaw that shows two faces of a cube, or the hole of a torus, from where the camera stands."""
    turn = rng.choice((-1.0, 1.0)) * rng.uniform(0.3, 0.75) if shape == "cube" else rng.uniform(-0.45, 0.45)
    return turn - math.atan2(x - camera.x, y - camera.y)
