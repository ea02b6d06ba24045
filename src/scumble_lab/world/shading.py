"""The light that leaves floors and objects towards the camera."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scumble_lab.world.batch import Batch, linear
from scumble_lab.world.floors import COLOR, MEAN, Spot, ripples
from scumble_lab.world.sky import Palette, gradient
from scumble_lab.world.vectors import dot, fraction, normalise
from scumble_lab.world.words import FLOORS, MATERIALS


@dataclass(frozen=True)
class Surface:
    """N visible points."""

    picture: Tensor  # (N,)
    point: Tensor  # (3, N)
    distance: Tensor  # (N,) from the camera
    view: Tensor  # (3, N) unit, from the camera to the point
    to_light: Tensor  # (3, N) unit
    lit: Tensor  # (N,) 0 in cast shadow, else 1


def contact(batch: Batch, seen: Surface) -> Tensor:
    """How much of the sky the floor sees, (N,): less close to the foot of an object."""
    share = torch.ones_like(seen.distance)
    for x, y, area in zip(*batch.feet, strict=True):
        near = (seen.point[0] - x[seen.picture]) ** 2 + (seen.point[1] - y[seen.picture]) ** 2
        share = share * (1 - 0.68 * torch.exp(-near / (0.72 * area[seen.picture])))
    return share


def floor_light(batch: Batch, colors: Palette, seen: Surface) -> Tensor:
    """Colours (3, N) of floor points, with shadow, contact shade, water's mirror and far haze."""
    picture = seen.picture
    kind, sky = batch.floor[picture], batch.sky[picture]
    x, y, _ = seen.point
    cos, sin = batch.floor_yaw[:, picture]
    fade = torch.exp(-((seen.distance / 13) ** 2))
    spot = Spot(x, y, cos * x - sin * y, sin * x + cos * y, batch.seed[picture], fade)
    albedo = torch.empty_like(seen.point)
    share = contact(batch, seen)
    for number, name in enumerate(FLOORS):
        (at,) = torch.nonzero(kind == number, as_tuple=True)
        albedo[:, at] = COLOR[name](_pick(spot, at))
    sun = colors.sun[:, sky]
    direct = seen.to_light[2].clamp_min(0) * seen.lit * (0.5 + 0.5 * share) * 0.95
    color = albedo * (colors.ambient[:, sky] * share + sun * direct)
    (at,) = torch.nonzero(kind == FLOORS.index("water"), as_tuple=True)
    normal, view = ripples(_pick(spot, at)), seen.view[:, at]
    facing = dot(view, normal)
    mirrored = view - 2 * facing * normal
    fresnel = 0.08 + 0.92 * (1 + facing.clamp(-1, 0)) ** 3
    mirror = gradient(colors, sky[at], mirrored[2]) * (0.4 + 0.6 * share[at])
    glint = dot(normalise(seen.to_light[:, at] - view), normal).clamp_min(0) ** 90
    color[:, at] = torch.lerp(color[:, at], mirror, fresnel) + glint * seen.lit[at] * 0.7 * sun[:, at]
    haze = 1 - torch.exp(-(seen.distance - 8).clamp_min(0) / 26)
    return torch.lerp(color, colors.horizon[:, sky], haze)


def _pick(spot: Spot, at: Tensor) -> Spot:
    return Spot(spot.x[at], spot.y[at], spot.u[at], spot.v[at], spot.seed[at], spot.fade[at])


def stripes(batch: Batch, item: Tensor, point: Tensor) -> Tensor:
    """Truth values (N,): on the light bands of a striped object."""
    height = batch.objects.to_local(item, point)[2]
    return fraction(height * 1.12 + 0.06) < 0.5


def sheen(batch: Batch, item: Tensor, point: Tensor) -> Tensor:
    """A soft streak (N,) on metal sides that mirror too evenly to look like metal: across cubes, down cylinders."""
    x, y, z = batch.objects.to_local(item, point)
    slant, weight = batch.objects.sheen[:, item]
    across = (x - 0.1 + (y * 0.6 + z * 0.8 - 0.52) * slant) / 0.18
    return torch.exp(-across * across) * weight


def surroundings(batch: Batch, colors: Palette, seen: Surface, mirrored: Tensor) -> Tensor:
    """What a mirror at each point sees in the unit directions `mirrored` (3, N).

    Below the horizon that is the floor: in the object's own shade close by, in the haze far away.
    """
    sky = batch.sky[seen.picture]
    means = torch.tensor([linear(MEAN[name]) for name in FLOORS], device=mirrored.device).T
    light = colors.ambient[:, sky] + 0.5 * colors.sun[:, sky]
    away = torch.exp(-0.32 * seen.point[2] / (-mirrored[2]).clamp_min(0.02))
    near = means[:, batch.floor[seen.picture]] * light * (1 - 0.95 * away)
    ground = torch.lerp(colors.horizon[:, sky], near, 0.3 + 0.7 * away)
    return torch.lerp(ground, gradient(colors, sky, mirrored[2]), torch.sigmoid((mirrored[2] - 0.02) * 30))


def object_light(batch: Batch, colors: Palette, seen: Surface, item: Tensor, normal: Tensor) -> Tensor:
    """Colours (3, N) of points on objects `item` (N,) with unit normals (3, N)."""
    sky, material = batch.sky[seen.picture], batch.objects.material[item]
    base = batch.objects.color[:, item]
    pale = torch.minimum(torch.minimum(base[0], base[1]), base[2]) > 0.6
    light, dark = (torch.tensor(linear(c), device=base.device)[:, None] for c in ((238, 235, 230), (62, 62, 68)))
    banded = (material == MATERIALS.index("striped")) & stripes(batch, item, seen.point)
    base = torch.where(banded, torch.where(pale, dark, light), base)

    sun, ambient = colors.sun[:, sky], colors.ambient[:, sky]
    sideways = dot(normal, seen.to_light)
    toward = (-dot(normal, seen.view)).clamp(0, 1)
    gloss = dot(normal, normalise(seen.to_light - seen.view)).clamp_min(0)
    above = 0.62 + 0.38 * normal[2]
    diffuse = base * (ambient * above * 1.15 + sun * (sideways * 0.92 + 0.06).clamp_min(0) * seen.lit)

    mirrored = seen.view + 2 * toward * normal
    mirror = surroundings(batch, colors, seen, mirrored)
    edge = (1 - toward) ** 4
    matte = diffuse + sun * gloss**25 * 0.08 * seen.lit + mirror * edge * 0.10
    # A mirror in its own colour: the hue of what it mirrors counts for little, so that orange stays orange.
    bright = (0.3 * mirror[0] + 0.6 * mirror[1] + 0.1 * mirror[2]) * 0.75 + mirror * 0.25
    bright = bright + 0.22 * ambient + sheen(batch, item, seen.point) * (ambient + 0.3 * sun)
    contrast = bright * (0.4 + 1.5 * bright) / (1 + 0.3 * bright * bright)
    metal = diffuse * 0.5 + (base * 1.05 + 0.04) * contrast + sun * gloss**40 * 1.5 * seen.lit + bright * edge * 0.3
    metal = metal * torch.where(pale, 0.82, 1.0)  # keeps the edges of white metal below white
    return torch.where(material == MATERIALS.index("metal"), metal, matte)
