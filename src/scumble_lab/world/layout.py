"""Where objects lie in the picture: their outlines and boxes, and whether two of them overlap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from scumble_lab.world.camera import Array, Camera
from scumble_lab.world.solids import CONE, CUBE, CYLINDER, SPHERE, TORUS
from scumble_lab.world.words import SIZES

if TYPE_CHECKING:
    from scumble_lab.world.scene import Object

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as picture positions from 0 to 1."""


def _circle(radius: float, z: float, count: int = 20) -> Array:
    angle = np.arange(count) * (2 * np.pi / count)
    reach = radius / np.cos(np.pi / count)  # the polygon goes round the circle, not into it
    return np.stack([reach * np.cos(angle), reach * np.sin(angle), np.full(count, z)], axis=-1)


@cache
def outline(shape: str) -> Array:
    """Points (N, 3) whose convex hull encloses the large shape at the origin, tightly."""
    if shape == "sphere":
        angles = np.linspace(-np.pi / 2, np.pi / 2, 9)
        rings = [_circle(SPHERE * max(np.cos(a), 0.0), SPHERE * (1 + np.sin(a)), 16) for a in angles]
        return np.concatenate(rings)
    if shape == "cube":
        return np.array(list(product((-CUBE, CUBE), (-CUBE, CUBE), (0.0, 2 * CUBE))))
    if shape == "cylinder":
        radius, height = CYLINDER
        return np.concatenate([_circle(radius, 0.0), _circle(radius, height)])
    if shape == "cone":
        radius, height = CONE
        return np.concatenate([_circle(radius, 0.0), [[0.0, 0.0, height]]])
    ring, tube = TORUS
    sides = []
    for angle in np.linspace(-np.pi / 2, np.pi / 2, 5):
        flat = _circle(ring + tube * np.cos(angle), tube * np.sin(angle))
        sides.append(np.stack([flat[:, 0], flat[:, 2], ring + tube + flat[:, 1]], axis=-1))
    return np.concatenate(sides)


def box(item: Object, camera: Camera) -> Box:
    """The picture box of an object, edges included even where they leave the picture."""
    local = outline(item.shape) * SIZES[item.size]
    cos, sin = np.cos(item.yaw), np.sin(item.yaw)
    world = np.empty_like(local)
    world[:, 0] = cos * local[:, 0] - sin * local[:, 1] + item.x
    world[:, 1] = sin * local[:, 0] + cos * local[:, 1] + item.y
    world[:, 2] = local[:, 2]
    projected = camera.project(world)
    low, high = projected.min(axis=0), projected.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def fault(items: Sequence[Object], camera: Camera, *, margin: float = 0.0, gap: float = 0.0) -> str | None:
    """Why these objects do not make a picture, or None if they do.

    Every object must lie inside the unpanned picture by `margin`, and no two boxes may come nearer
    than `gap`; both in picture widths.
    """
    boxes = [box(item, camera.unpanned()) for item in items]
    for number, (left, top, right, bottom) in enumerate(boxes, start=1):
        inside = left >= margin and top >= margin and right <= 1 - margin and bottom <= 1 - margin
        if not inside:  # also when behind the camera: NaN compares false
            return (
                f"object {number} leaves the picture: it spans {left:.2f} to {right:.2f} across and "
                f"{top:.2f} to {bottom:.2f} down, and 0 to 1 is visible"
            )
    for (i, a), (j, b) in combinations(enumerate(boxes, start=1), 2):
        if a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap:
            return (
                f"objects {i} and {j} overlap in the picture: {a[0]:.2f} to {a[2]:.2f} and "
                f"{b[0]:.2f} to {b[2]:.2f} across"
            )
    return None
