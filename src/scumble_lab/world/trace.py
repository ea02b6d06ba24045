"""Rays from the cameras, what they hit first, and which of the hits lie in shadow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scumble_lab.world.batch import Batch
from scumble_lab.world.shapes import INTERSECT, MISS
from scumble_lab.world.vectors import dot, normalise


@dataclass(frozen=True)
class Hits:
    """What P rays of each of B pictures hit first."""

    t: Tensor  # (B, P) distance; MISS for the sky
    item: Tensor  # (B, P) index into the batch's objects; -1 for floor and sky
    normal: Tensor  # (3, B, P) unit; up for the floor

    @property
    def on_object(self) -> Tensor:
        """(B, P) truth values."""
        return self.item >= 0

    @property
    def on_floor(self) -> Tensor:
        """(B, P) truth values."""
        return (self.item < 0) & (self.t < MISS)


def rays(batch: Batch, side: int) -> Tensor:
    """Unit directions (3, B, side * side) through the centres of a square raster, row by row."""
    raster = (torch.arange(side, device=batch.eye.device) + 0.5) / side * 2 - 1
    across = (raster[None, :] + 2 * batch.pan[0][:, None]) * batch.lens[:, None]  # (B, side)
    down = (raster[None, :] + 2 * batch.pan[1][:, None]) * batch.lens[:, None]
    right, up, forward = batch.axes[..., None]  # (3, B, 1) each
    rows = forward - up * down
    columns = right * across
    return normalise((rows[:, :, :, None] + columns[:, :, None, :]).flatten(2))


def first_hits(batch: Batch, directions: Tensor) -> Hits:
    """Cast unit rays (3, B, P) from the cameras; a ray meets one object at most, for none overlap in the picture."""
    _, pictures, count = directions.shape
    steep = directions[2] < -1e-3
    height = batch.eye[2][:, None]
    t = torch.where(steep, -height / torch.where(steep, directions[2], -1.0), MISS).flatten()
    item = torch.full((pictures * count,), -1, dtype=torch.long, device=t.device)
    normal = torch.zeros(3, pictures * count, device=t.device)
    normal[2] = 1.0
    objects, flat = batch.objects, directions.flatten(1)
    for shape, start, stop in objects.ranges:
        picture = objects.picture[start:stop]
        offset = batch.eye[:, picture] - objects.middle[:, start:stop]  # (3, m)
        along = dot(directions[:, picture], offset[:, :, None])
        limit = dot(offset, offset) - objects.reach[start:stop] ** 2
        which, pixel = torch.nonzero(along * along > limit[:, None], as_tuple=True)
        which = which + start
        ray = objects.picture[which] * count + pixel
        origin = objects.to_local(which, batch.eye[:, objects.picture[which]])
        along_t, facing = INTERSECT[shape](origin, objects.to_local_direction(which, flat[:, ray]))
        hit = along_t < t[ray]
        which, ray = which[hit], ray[hit]
        t[ray] = along_t[hit]
        item[ray] = which
        normal[:, ray] = normalise(objects.turn(which, facing[:, hit]))
    return Hits(t.view(pictures, count), item.view(pictures, count), normal.view(3, pictures, count))


def lit(batch: Batch, hits: Hits, points: Tensor, to_light: Tensor) -> Tensor:
    """1.0 where the light reaches a surface point, 0.0 in the cast shadow of another object, (B, P).

    `points` and unit vectors `to_light` are (3, B, P).
    """
    _, _, count = points.shape
    surface = hits.t < 25.0  # shadows further away are less than a pixel
    visible = torch.ones(points.shape[1:], device=points.device).flatten()
    objects, flat_points, flat_light = batch.objects, points.flatten(1), to_light.flatten(1)
    for shape, start, stop in objects.ranges:
        picture = objects.picture[start:stop]
        offset = points[:, picture] - objects.middle[:, start:stop, None]
        along = dot(offset, to_light[:, picture])
        near = along * along > dot(offset, offset) - (objects.reach[start:stop] ** 2)[:, None]
        other = hits.item[picture] != torch.arange(start, stop, device=points.device)[:, None]
        which, pixel = torch.nonzero(near & (along < 0) & other & surface[picture], as_tuple=True)
        which = which + start
        ray = objects.picture[which] * count + pixel
        t, _ = INTERSECT[shape](
            objects.to_local(which, flat_points[:, ray]),
            objects.to_local_direction(which, flat_light[:, ray]),
        )
        visible[ray[t < MISS]] = 0.0
    return visible.view(points.shape[1:])
