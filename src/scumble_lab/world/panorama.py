"""Panoramas of the world: scenes side by side on one floor under one sky, seen by a camera that turns.

Every window as wide as a scene is a picture like those of single scenes: each column is the middle column of a camera
turned towards it, so that the horizon is level and nothing is stretched, and the lamp turns with the camera.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scumble.errors import InputError
from scumble_lab.world.batch import Batch, pack
from scumble_lab.world.camera import Camera
from scumble_lab.world.render import develop, lamp_spread, light_along
from scumble_lab.world.scene import Object, Scene
from scumble_lab.world.trace import first_hits
from scumble_lab.world.vectors import normalise

__all__ = ["Panorama", "owners", "panorama", "render_panorama", "scene_at"]


@dataclass(frozen=True)
class Panorama:
    """Objects all around a camera, on a floor under a sky.

    Attributes:
        objects: What stands there, scene by scene.
        floor: Of all scenes, as sky, camera, light, floor_yaw and seed.
        count: Number of scenes side by side.
    """

    objects: tuple[Object, ...]
    floor: str
    sky: str
    camera: Camera
    light: tuple[float, float, float]
    floor_yaw: float
    seed: int
    count: int


def panorama(scenes: Sequence[Scene], surroundings: Scene | None = None) -> Panorama:
    """Put scenes that share a camera side by side, from left to right.

    Args:
        scenes: Their objects are turned around the camera; at most eight go around it.
        surroundings: Whose floor, sky, light and textures all get; the first scene's by default.

    Raises:
        InputError: For no scene, more than eight, or another camera.
    """
    if not scenes or len(scenes) * 2 * scenes[0].camera.lens > 2 * math.pi:
        raise InputError(f"a panorama takes 1 to 8 scenes, got {len(scenes)}")
    first = surroundings or scenes[0]
    if any(scene.camera != first.camera for scene in scenes):
        raise InputError("the scenes of a panorama must share their camera")
    around = [
        _turned(item, first.camera, _angle(k + 0.5, len(scenes), first.camera))
        for k, scene in enumerate(scenes)
        for item in scene.objects
    ]
    return Panorama(
        tuple(around), first.floor, first.sky, first.camera, first.light, first.floor_yaw, first.seed, len(scenes)
    )


def scene_at(view: Panorama, place: float, items: Sequence[int]) -> Scene:
    """Return some objects of a panorama as the scene that a camera sees which is turned to a place.

    Args:
        view: The panorama.
        place: Of the middle of the picture, in scenes from the left.
        items: Places of the objects among the panorama's.

    Raises:
        InputError: If they make no scene: too many, or not all in the picture.
    """
    angle = _angle(place, view.count, view.camera)
    objects = tuple(_turned(view.objects[k], view.camera, -angle) for k in items)
    return Scene(objects, view.floor, view.sky, view.camera, view.light, view.floor_yaw, view.seed)


@torch.no_grad()
def render_panorama(view: Panorama, side: int = 64, height: int | None = None, samples: int = 2) -> Tensor:
    """Render sRGB bytes (3, height, count * side); a scene takes side x side pixels in the middle rows."""
    batch, rows = pack([view]), height or side
    directions, turns = _rays(batch, view, side, rows, samples)
    lamps = batch.light[:, :, None] + lamp_spread(rows, side * view.count, samples, batch.light.device)
    eye = batch.eye[:, :, None]
    color = light_along(batch, directions, eye + _rotated(lamps - eye, turns))
    return develop(color.view(3, 1, rows, samples, side * view.count, samples))[0]


@torch.no_grad()
def owners(view: Panorama, side: int = 64, height: int | None = None) -> npt.NDArray[np.int64]:
    """Which object each pixel shows (height, count * side), by its place among the objects; -1 for none."""
    batch, rows = pack([view]), height or side
    hits = first_hits(batch, _rays(batch, view, side, rows, 1)[0])
    item = hits.item[0]
    slots = torch.where(item >= 0, batch.objects.slot[item.clamp_min(0)], -1) if view.objects else item
    return np.asarray(slots.view(rows, -1).numpy())


def _angle(place: float, count: int, camera: Camera) -> float:
    """How far to the right of the middle a place is, in scenes from the left, in radians."""
    return (place - count / 2) * 2 * camera.lens


def _turned(item: Object, camera: Camera, angle: float) -> Object:
    across, away = item.x - camera.x, item.y - camera.y
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = camera.x + cos * across + sin * away, camera.y - sin * across + cos * away
    return replace(item, x=x, y=y, yaw=item.yaw - angle)


def _rays(batch: Batch, view: Panorama, side: int, height: int, samples: int) -> tuple[Tensor, Tensor]:
    """Unit directions (3, 1, P) row by row, and how far each is turned to the right (P,)."""
    columns = (torch.arange(side * view.count * samples) + 0.5) / (side * samples)
    turns = (columns - view.count / 2) * 2 * view.camera.lens
    down = ((torch.arange(height * samples) + 0.5) / samples - height / 2) * 2 * view.camera.lens / side
    _, up, forward = batch.axes[..., 0]
    ahead = (forward[:, None] - up[:, None] * down)[:, None, :, None].expand(3, 1, len(down), len(turns)).flatten(2)
    all_turns = turns.repeat(len(down))
    return normalise(_rotated(ahead, all_turns)), all_turns


def _rotated(vectors: Tensor, turns: Tensor) -> Tensor:
    """Vectors (3, 1, P) turned to the right about the vertical by (P,) radians."""
    cos, sin = turns.cos(), turns.sin()
    return torch.stack([cos * vectors[0] + sin * vectors[1], cos * vectors[1] - sin * vectors[0], vectors[2]])
