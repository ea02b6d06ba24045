"""Pictures of scenes: a batched ray caster with soft shadows, on any device and at any size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scumble.errors import InputError
from scumble_lab.world.batch import Batch, pack
from scumble_lab.world.scene import Scene
from scumble_lab.world.shading import Surface, floor_light, object_light
from scumble_lab.world.sky import paint, palette
from scumble_lab.world.trace import first_hits, lit, rays
from scumble_lab.world.vectors import normalise

_RAYS_AT_ONCE = {"cpu": 2**17, "cuda": 2**24}
"""What fits a processor's cache, and what fits a graphics card's memory with room to spare."""


@torch.no_grad()
def render(scenes: Sequence[Scene], size: int = 64, samples: int = 2, device: torch.device | str = "cpu") -> Tensor:
    """Render scenes to sRGB bytes (B, 3, size, size), with `samples` squared rays per pixel.

    A picture does not depend on the others in the batch, and on a CPU it is the same bit for bit
    from run to run.

    Raises:
        InputError: for a size or number of samples below 1.
    """
    if size < 1 or samples < 1:
        raise InputError(f"size and samples must be at least 1, got {size} and {samples}")
    side = size * samples
    limit = _RAYS_AT_ONCE.get(torch.device(device).type, 2**20)
    chunk = max(1, limit // side**2)
    if not scenes:
        return torch.empty(0, 3, size, size, dtype=torch.uint8, device=device)
    return torch.cat(
        [_render(pack(scenes[i : i + chunk], device), size, samples) for i in range(0, len(scenes), chunk)]
    )


def _render(batch: Batch, size: int, samples: int) -> Tensor:
    lamps = batch.light[:, :, None] + lamp_spread(size, size, samples, batch.light.device)
    color = light_along(batch, rays(batch, size * samples), lamps)
    return develop(color.view(3, batch.count, size, samples, size, samples))


def light_along(batch: Batch, directions: Tensor, lamps: Tensor) -> Tensor:
    """Linear light (3, B * P) that comes from unit directions (3, B, P), where each is lit from its lamp (3, B, P)."""
    hits = first_hits(batch, directions)
    points = batch.eye[:, :, None] + directions * hits.t.clamp_max(80.0)
    to_light = normalise(lamps - points)
    visible = lit(batch, hits, points + 0.01 * hits.normal, to_light)

    color = torch.empty_like(directions).flatten(1)
    picture = torch.arange(batch.count, device=color.device)[:, None].expand(hits.t.shape).reshape(-1)
    colors = palette(color.device)

    def surface(at: Tensor) -> Surface:
        return Surface(
            picture[at],
            points.flatten(1)[:, at],
            hits.t.flatten()[at],
            directions.flatten(1)[:, at],
            to_light.flatten(1)[:, at],
            visible.flatten()[at],
        )

    item, on_object, on_floor = hits.item.flatten(), hits.on_object.flatten(), hits.on_floor.flatten()
    (at,) = torch.nonzero(~(on_object | on_floor), as_tuple=True)
    color[:, at] = paint(colors, batch.sky[picture[at]], directions.flatten(1)[:, at], batch.seed[picture[at]])
    (at,) = torch.nonzero(on_floor, as_tuple=True)
    color[:, at] = floor_light(batch, colors, surface(at))
    (at,) = torch.nonzero(on_object, as_tuple=True)
    color[:, at] = object_light(batch, colors, surface(at), item[at], hits.normal.flatten(1)[:, at])
    return color


def lamp_spread(rows: int, columns: int, samples: int, device: torch.device) -> Tensor:
    """Offsets (3, 1, P) of the light, one for each sample of a pixel: a small lamp, not a point."""
    cells = (torch.arange(samples, device=device) + 0.5) / samples - 0.5
    x = (cells[None, :] * 0.6 + cells[:, None] * 0.25).repeat(rows, columns)
    y = (cells[:, None] * 0.5 - cells[None, :] * 0.2).repeat(rows, columns)
    return torch.stack([x, y, torch.zeros_like(x)]).flatten(1)[:, None]


def develop(light: Tensor) -> Tensor:
    """Film curve, mean over each pixel's samples, gamma: (3, B, H, s, W, s) to bytes (B, 3, H, W)."""
    exposed = (light * 1.15).clamp_min(0)
    curved = (exposed / (1 + 0.12 * exposed)).clamp(0, 1)
    samples = curved.shape[3]
    total = torch.zeros_like(curved[:, :, :, 0, :, 0])
    for row in range(samples):
        for column in range(samples):
            total = total + curved[:, :, :, row, :, column]
    pixels = (total / samples**2).clamp_min(1e-5) ** (1 / 2.2)
    return (pixels * 255 + 0.5).clamp(0, 255).to(torch.uint8).transpose(0, 1).contiguous()
