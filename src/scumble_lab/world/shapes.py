"""Where rays meet the solids, in the solids' own coordinates.

Every function takes origins and directions (3, N), directions of any length, and returns the ray
parameter (N,) of the first hit, `MISS` where there is none, and the outward normal (3, N), which is
not normalised and means nothing at a miss.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scumble_lab.world.solids import CONE, CUBE, CYLINDER, SPHERE, TORUS
from scumble_lab.world.vectors import dot

MISS = 1e9
_NEAR = 1e-3

Hit = tuple[Tensor, Tensor]


def _safe(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1e-6, torch.full_like(x, 1e-6), x)


def _at(origin: Tensor, direction: Tensor, t: Tensor) -> Tensor:
    return origin + direction * t.clamp_max(1e4)


def sphere(origin: Tensor, direction: Tensor) -> Hit:
    """A ball that rests on the floor."""
    middle = torch.stack([origin[0], origin[1], origin[2] - SPHERE])
    a, b, c = dot(direction, direction), dot(middle, direction), dot(middle, middle) - SPHERE**2
    root = b * b - a * c
    t = (-b - root.clamp_min(0).sqrt()) / a
    t = torch.where((root > 0) & (t > _NEAR), t, MISS)
    return t, _at(middle, direction, t)


def cube(origin: Tensor, direction: Tensor) -> Hit:
    """Slab method (Kay and Kajiya 1986)."""
    inverse = 1 / _safe(direction)
    raised = torch.stack([origin[0], origin[1], origin[2] - CUBE])
    first = (-CUBE - raised) * inverse
    second = (CUBE - raised) * inverse
    enter, leave = torch.minimum(first, second), torch.maximum(first, second)
    t = torch.maximum(torch.maximum(enter[0], enter[1]), enter[2])
    end = torch.minimum(torch.minimum(leave[0], leave[1]), leave[2])
    normal = torch.where(enter == t, -torch.sign(direction), 0.0)
    return torch.where((t < end) & (t > _NEAR), t, MISS), normal


def _nearest_root(a: Tensor, b: Tensor, c: Tensor, z: Tensor, dz: Tensor, height: float) -> Tensor:
    """First solution of a t^2 + 2 b t + c = 0 whose height lies on the solid."""
    inside = b * b - a * c
    root = inside.clamp_min(0).sqrt()
    a = _safe(a)
    one, two = (-b - root) / a, (-b + root) / a
    t = torch.full_like(a, MISS)
    for candidate in (torch.maximum(one, two), torch.minimum(one, two)):
        level = z + dz * candidate
        hit = (inside > 0) & (candidate > _NEAR) & (level > 0) & (level < height)
        t = torch.where(hit, candidate, t)
    return t


def cylinder(origin: Tensor, direction: Tensor) -> Hit:
    """An upright cylinder with its top."""
    radius, height = CYLINDER
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    t = _nearest_root(
        dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy - radius**2, oz, dz, height
    )  # fmt: skip
    lid = (height - oz) / _safe(dz)
    px, py = ox + dx * lid, oy + dy * lid
    on_lid = (px * px + py * py < radius**2) & (lid > _NEAR) & (lid < t)
    t = torch.where(on_lid, lid, t)
    x, y, _ = _at(origin, direction, t)
    up = on_lid.to(t.dtype)
    return t, torch.stack([x * (1 - up), y * (1 - up), up])


def cone(origin: Tensor, direction: Tensor) -> Hit:
    """An upright cone."""
    radius, height = CONE
    k = (radius / height) ** 2
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    below = height - oz
    t = _nearest_root(
        dx * dx + dy * dy - k * dz * dz,
        ox * dx + oy * dy + k * below * dz,
        ox * ox + oy * oy - k * below * below,
        oz, dz, height,
    )  # fmt: skip
    x, y, z = _at(origin, direction, t)
    return t, torch.stack([x, y, k * (height - z)])


def torus(origin: Tensor, direction: Tensor) -> Hit:
    """A standing ring, by sphere tracing (Hart 1996) from where the ray enters its bounding ball."""
    ring, tube = TORUS
    length = dot(direction, direction).sqrt()
    step = direction / length
    middle = torch.stack([origin[0], origin[1], origin[2] - (ring + tube)])
    b = dot(middle, step)
    c = dot(middle, middle) - (ring + tube) ** 2
    t = (-b - (b * b - c).clamp_min(0).sqrt()).clamp_min(0)
    gap = torch.zeros_like(t)
    for _ in range(18):
        x, y, z = middle + step * t
        q = (x * x + z * z).sqrt() - ring
        gap = (q * q + y * y).sqrt() - tube
        t = t + gap
    x, y, z = middle + step * t
    radius = (x * x + z * z).sqrt().clamp_min(1e-4)
    q = radius - ring
    normal = torch.stack([x / radius * q, y, z / radius * q])
    return torch.where((gap < 0.01) & (t > _NEAR), t / length, MISS), normal


INTERSECT: dict[str, Callable[[Tensor, Tensor], Hit]] = {
    "sphere": sphere,
    "cube": cube,
    "cylinder": cylinder,
    "cone": cone,
    "torus": torus,
}
