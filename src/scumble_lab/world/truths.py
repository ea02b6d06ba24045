"""What is true of a scene's picture: which object each pixel shows, how far away it is, what an edit changed,
and where a point of an object's surface lies in another scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scumble.errors import InputError
from scumble_lab.world.batch import pack
from scumble_lab.world.camera import Array
from scumble_lab.world.render import render
from scumble_lab.world.scene import Object, Scene
from scumble_lab.world.shapes import MISS
from scumble_lab.world.trace import first_hits, rays
from scumble_lab.world.words import SIZES

_SAME_SURFACE = 0.03
"""World units within which two points count as the same point of a surface."""


@dataclass(frozen=True)
class Truths:
    """What the rays through the pixel centres of one picture meet."""

    ids: Tensor  # (H, W) long: index of the object, -1 for floor and sky
    depth: Tensor  # (H, W) float: distance from the camera in world units, infinite for the sky
    masks: Tensor  # (objects, H, W) truth values
    boxes: tuple[tuple[int, int, int, int] | None, ...]  # x0, y0, x1, y1 in pixels, x1 and y1 one past the last
    centers: tuple[tuple[float, float], ...]  # x, y in pixels of the middle of each object's outline, even if hidden


@torch.no_grad()
def truths(scene: Scene, size: int = 64) -> Truths:
    """The truths of a scene's picture of size x size pixels.

    An object that a pan has moved out of the picture has no box (None).
    """
    batch = pack([scene])
    hits = first_hits(batch, rays(batch, size))
    ids = torch.full((size * size,), -1, dtype=torch.long)
    on_object = hits.on_object.flatten()
    ids[on_object] = batch.objects.slot[hits.item.flatten()[on_object]]
    ids = ids.view(size, size)
    depth = torch.where(hits.t < MISS, hits.t, torch.inf).view(size, size)
    masks = ids == torch.arange(len(scene.objects))[:, None, None]
    middles = [((x0 + x1) / 2 * size, (y0 + y1) / 2 * size) for x0, y0, x1, y1 in scene.boxes()]
    return Truths(ids, depth, masks, tuple(_pixel_box(mask) for mask in masks), tuple(middles))


def _pixel_box(mask: Tensor) -> tuple[int, int, int, int] | None:
    rows, columns = torch.nonzero(mask, as_tuple=True)
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def change_mask(before: Scene, after: Scene, size: int = 64, threshold: float = 12.0) -> Tensor:
    """Where two scenes' pictures differ visibly, shadows and reflections included: truth values (size, size).

    A pixel has changed if one of its channels differs by more than `threshold` of 255 steps.
    """
    one, two = render([before, after], size).to(torch.int16)
    return (one - two).abs().amax(dim=0) > threshold


@dataclass(frozen=True)
class Correspondence:
    """Where surface points of one scene lie in another."""

    points: npt.NDArray[np.float64]  # (N, 2) x, y in pixels of the second picture; NaN if the object is gone
    visible: npt.NDArray[np.bool_]  # (N,) neither hidden nor outside the second picture


def correspond(
    before: Scene, after: Scene, points: Sequence[tuple[float, float]] | Array, size: int = 64
) -> Correspondence:
    """Find where the surface points seen at `points` of one picture lie in the other.

    `points` are (N, 2) x, y in pixels, a pixel's centre at half numbers. A point moves with its object, turning
    and growing with it; points on the floor stay where they are. Objects that stand unchanged in both scenes
    belong together, the others by their order.

    Raises:
        InputError: for points outside the picture or on the sky.
    """
    given = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not ((given >= 0) & (given <= size)).all():
        raise InputError(f"points must lie in the picture, 0 to {size}, got {given.tolist()}")
    owner, world = _surface(before, given / size)
    if np.isnan(world).any():
        sky = given[np.isnan(world).any(axis=-1)].tolist()
        raise InputError(f"points must lie on objects or the floor; the sky is at {sky}")
    moved = np.full_like(world, np.nan)
    partner = _partners(before.objects, after.objects)
    moved[owner < 0] = world[owner < 0]
    for old, new in partner.items():
        moved[owner == old] = _carry(before.objects[old], after.objects[new], world[owner == old])
    projected = after.camera.project(moved)
    inside = ((projected >= 0) & (projected <= 1)).all(axis=-1)
    visible = np.zeros(len(given), dtype=bool)
    if inside.any():
        front_owner, front = _surface(after, projected[inside])
        close = np.linalg.norm(front - moved[inside], axis=-1) < _SAME_SURFACE
        expected = np.array([partner.get(old, -1) for old in owner[inside].tolist()])
        visible[inside] = close & (front_owner == expected)
    return Correspondence(projected * size, visible)


def _partners(old: Sequence[Object], new: Sequence[Object]) -> dict[int, int]:
    """Which object of the new scene each one of the old scene has become; removed ones are left out."""
    same = {i: new.index(item) for i, item in enumerate(old) if item in new}
    rest_old = [i for i in range(len(old)) if i not in same]
    rest_new = [j for j in range(len(new)) if j not in same.values()]
    return same | dict(zip(rest_old, rest_new, strict=False))


@torch.no_grad()
def _surface(scene: Scene, at: Array) -> tuple[npt.NDArray[np.int64], Array]:
    """Owners (N,) and world points (N, 3) seen at picture positions (N, 2); NaN for the sky."""
    camera = scene.camera
    right, up, forward = camera.axes()
    across = (2 * (at[:, :1] + camera.pan_x) - 1) * camera.lens
    down = (2 * (at[:, 1:] + camera.pan_y) - 1) * camera.lens
    directions = forward + across * right - down * up
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    batch = pack([scene])
    hits = first_hits(batch, torch.from_numpy(directions.T.copy()).float()[:, None])
    slots = np.array([*batch.objects.slot.tolist(), -1])  # the last is what index -1, floor or sky, finds
    t = hits.t[0].double().numpy()
    t = np.where(t < MISS, t, np.nan)
    return slots[hits.item[0].numpy()], camera.eye + directions * t[:, None]


def _carry(old: Object, new: Object, world: Array) -> Array:
    """World points (N, 3) fixed to an object, after the object has become another one."""
    turn, scale = new.yaw - old.yaw, SIZES[new.size] / SIZES[old.size]
    cos, sin = np.cos(turn), np.sin(turn)
    x, y, z = ((world - [old.x, old.y, 0.0]) * scale).T
    return np.stack([cos * x - sin * y + new.x, sin * x + cos * y + new.y, z], axis=-1)
