"""Several scenes as tables of tensors, objects sorted by shape so that each shape is traced at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scumble_lab.world.camera import Camera
from scumble_lab.world.scene import MOST_OBJECTS, Object
from scumble_lab.world.solids import MIDDLE, REACH
from scumble_lab.world.words import COLORS, FLOORS, MATERIALS, SHAPES, SIZES, SKIES


def linear(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """sRGB bytes as linear light, by the plain 2.2 power that the renderer also ends with."""
    red, green, blue = rgb
    return (red / 255) ** 2.2, (green / 255) ** 2.2, (blue / 255) ** 2.2


class Stage(Protocol):
    """What is drawn: a scene, or several side by side."""

    @property
    def objects(self) -> tuple[Object, ...]:
        """What stands on the floor."""

    @property
    def floor(self) -> str:
        """Which floor."""

    @property
    def sky(self) -> str:
        """Which sky."""

    @property
    def camera(self) -> Camera:
        """Where it is seen from."""

    @property
    def light(self) -> tuple[float, float, float]:
        """Where the lamp is."""

    @property
    def floor_yaw(self) -> float:
        """How far the floor's pattern is turned."""

    @property
    def seed(self) -> int:
        """Of textures and clouds."""


_SHEEN = {"cube": (1.0, 0.6), "cylinder": (0.0, 0.85)}


@dataclass(frozen=True)
class Objects:
    """All M objects of a batch, sorted by shape."""

    ranges: tuple[tuple[str, int, int], ...]  # shape, first, one past the last
    picture: Tensor  # (M,) which scene
    slot: Tensor  # (M,) which object of that scene
    x: Tensor  # (M,), and so on
    y: Tensor
    scale: Tensor
    cos: Tensor
    sin: Tensor
    middle: Tensor  # (3, M) of the bounding ball
    reach: Tensor  # (M,)
    color: Tensor  # (3, M) linear
    material: Tensor  # (M,)
    sheen: Tensor  # (2, M) slant and weight of the streak on metal

    def to_local(self, which: Tensor, points: Tensor) -> Tensor:
        """World points (3, N) in the own coordinates of objects `which` (N,), as large ones at the origin."""
        return self.to_local_direction(
            which, torch.stack([points[0] - self.x[which], points[1] - self.y[which], points[2]])
        )

    def to_local_direction(self, which: Tensor, vectors: Tensor) -> Tensor:
        """World vectors (3, N) in the objects' own coordinates."""
        cos, sin, shrink = self.cos[which], self.sin[which], 1 / self.scale[which]
        x, y, z = vectors
        return torch.stack([(cos * x + sin * y) * shrink, (cos * y - sin * x) * shrink, z * shrink])

    def turn(self, which: Tensor, normals: Tensor) -> Tensor:
        """Vectors (3, N) from the objects' own axes to the world's, lengths kept."""
        cos, sin = self.cos[which], self.sin[which]
        x, y, z = normals
        return torch.stack([cos * x - sin * y, sin * x + cos * y, z])


@dataclass(frozen=True)
class Batch:
    """B scenes; tables are (..., B)."""

    count: int
    eye: Tensor  # (3, B)
    axes: Tensor  # (3, 3, B): right, up, forward; coordinate; scene
    lens: Tensor
    pan: Tensor  # (2, B)
    light: Tensor  # (3, B)
    seed: Tensor
    floor_yaw: Tensor  # (2, B): cosine, sine
    floor: Tensor
    sky: Tensor
    feet: Tensor  # (3, MOST_OBJECTS or more, B): x, y, size squared of each object; far away if none
    objects: Objects


def pack(scenes: Sequence[Stage], device: torch.device | str = "cpu") -> Batch:
    """The tables of some scenes on a device."""

    def table(values: npt.ArrayLike, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64)).to(dtype).contiguous().to(device)

    cameras = [scene.camera for scene in scenes]
    most = max([MOST_OBJECTS, *(len(scene.objects) for scene in scenes)])
    feet = np.full((3, most, len(scenes)), 1e3)
    feet[2] = 1.0
    entries: list[tuple[int, int, Object]] = []
    for number, scene in enumerate(scenes):
        for slot, item in enumerate(scene.objects):
            entries.append((number, slot, item))
            feet[:, slot, number] = item.x, item.y, SIZES[item.size] ** 2
    return Batch(
        count=len(scenes),
        eye=table([[c.x, c.y, c.z] for c in cameras]).T.contiguous(),
        axes=table(np.stack([c.axes() for c in cameras], axis=-1)),
        lens=table([c.lens for c in cameras]),
        pan=table([[c.pan_x for c in cameras], [c.pan_y for c in cameras]]),
        light=table([scene.light for scene in scenes]).T.contiguous(),
        seed=table([scene.seed % 9973 * 0.01 for scene in scenes]),
        floor_yaw=table([[math.cos(s.floor_yaw) for s in scenes], [math.sin(s.floor_yaw) for s in scenes]]),
        floor=table([FLOORS.index(scene.floor) for scene in scenes], torch.long),
        sky=table([SKIES.index(scene.sky) for scene in scenes], torch.long),
        feet=table(feet),
        objects=_pack_objects(entries, table),
    )


def _pack_objects(entries: list[tuple[int, int, Object]], table: Callable[..., Tensor]) -> Objects:
    entries = sorted(entries, key=lambda entry: SHAPES.index(entry[2].shape))
    items = [item for _, _, item in entries]
    shapes = [item.shape for item in items]
    ranges, start = [], 0
    for shape in SHAPES:
        stop = start + shapes.count(shape)
        if stop > start:
            ranges.append((shape, start, stop))
        start = stop
    scale = [SIZES[item.size] for item in items]
    middle = [[item.x, item.y, MIDDLE[item.shape] * SIZES[item.size]] for item in items]
    color = [linear(COLORS[item.color]) for item in items]
    return Objects(
        ranges=tuple(ranges),
        picture=table([number for number, _, _ in entries], torch.long),
        slot=table([slot for _, slot, _ in entries], torch.long),
        x=table([item.x for item in items]),
        y=table([item.y for item in items]),
        scale=table(scale),
        cos=table([math.cos(item.yaw) for item in items]),
        sin=table([math.sin(item.yaw) for item in items]),
        middle=table(np.reshape(middle, (-1, 3)).T),
        reach=table([REACH[item.shape] * size for item, size in zip(items, scale, strict=True)]),
        color=table(np.reshape(color, (-1, 3)).T),
        material=table([MATERIALS.index(item.material) for item in items], torch.long),
        sheen=table(np.reshape([_SHEEN.get(item.shape, (0.0, 0.0)) for item in items], (-1, 2)).T),
    )
