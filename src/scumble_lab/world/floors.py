"""The seven floors: the colour of every point, with low frequencies only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble_lab.world.batch import linear
from scumble_lab.world.vectors import fraction, hash_cells, value_noise


@dataclass(frozen=True)
class Spot:
    """N floor points, all tensors (N,)."""

    x: Tensor  # world
    y: Tensor
    u: Tensor  # along the floor's own, turned axes
    v: Tensor
    seed: Tensor
    fade: Tensor  # 1 near, 0 far away, where patterns would be finer than a pixel


def _between(low: tuple[int, int, int], high: tuple[int, int, int], share: Tensor) -> Tensor:
    a, b = (torch.tensor(linear(color), device=share.device)[:, None] for color in (low, high))
    return a + (b - a) * share


def _calm(pattern: Tensor, fade: Tensor) -> Tensor:
    return 0.5 + (pattern - 0.5) * fade


def plain(at: Spot) -> Tensor:
    """Even grey."""
    return _between((148, 146, 148), (148, 146, 148), torch.zeros_like(at.x))


def checkered(at: Spot) -> Tensor:
    """Dark and light squares."""
    square = (torch.floor(at.u * 0.9 + at.seed) + torch.floor(at.v * 0.9)) % 2
    return _between((48, 48, 53), (212, 209, 203), _calm(square, at.fade))


def wooden(at: Spot) -> Tensor:
    """Planks with dark seams."""
    across = at.u * 1.15 + at.seed
    plank = torch.floor(across)
    tone = hash_cells(plank, torch.floor(at.v * 0.25 + plank * 0.37), torch.zeros_like(at.x))
    grain = value_noise(at.u * 5 + at.seed, at.v * 0.7, at.seed)
    seam = (fraction(across) < 0.09).to(at.x.dtype) * at.fade
    wood = _between((118, 70, 36), (192, 132, 78), _calm(0.65 * tone + 0.35 * grain, at.fade))
    return wood * (1 - 0.65 * seam)


def grass(at: Spot) -> Tensor:
    """Green in soft patches."""
    patches = value_noise(at.x * 3.6 + at.seed, at.y * 2.6, at.seed) * 0.5
    patches = patches + value_noise(at.x * 1.3, at.y * 1.3 + at.seed, at.seed) * 0.5
    return _between((28, 80, 18), (128, 178, 62), _calm(patches, at.fade))


def sand(at: Spot) -> Tensor:
    """Wide ripples in a pinkish tan that leaves yellow and orange visible."""
    ripple = torch.sin(at.v * 4.2 + 4 * value_noise(at.u * 0.8 + at.seed, at.v * 0.8, at.seed))
    soft = value_noise(at.x * 2 + at.seed, at.y * 2, at.seed)
    pattern = _calm(0.5 + 0.33 * ripple + 0.34 * (soft - 0.5), at.fade)
    return _between((170, 132, 98), (216, 180, 142), pattern)


def snow(at: Spot) -> Tensor:
    """Bluish drifts, dark enough for white objects to stand out."""
    drift = value_noise(at.x * 0.9 + at.seed, at.y * 0.9, at.seed) * 0.75
    drift = drift + value_noise(at.x * 2.4, at.y * 2.4 + at.seed, at.seed) * 0.25
    return _between((168, 190, 220), (226, 235, 247), drift)


def water(at: Spot) -> Tensor:
    """The colour below the surface; the reflections are added when it is lit."""
    return _between((18, 72, 112), (18, 72, 112), torch.zeros_like(at.x))


def ripples(at: Spot) -> Tensor:
    """Unit normals (3, N) of the water's surface."""
    one = torch.cos(at.u * 3.4 + 7 * value_noise(at.u * 0.9 + at.seed, at.v * 0.9, at.seed)) * 0.06
    two = torch.cos(at.v * 4.6 + 9 * value_noise(at.u * 1.0, at.v * 1.0 + at.seed, at.seed)) * 0.085
    x, y = one * at.fade, two * at.fade
    length = (x * x + y * y + 1).sqrt()
    return torch.stack([x / length, y / length, 1 / length])


COLOR: dict[str, Callable[[Spot], Tensor]] = {
    "plain": plain,
    "checkered": checkered,
    "wooden": wooden,
    "grass": grass,
    "sand": sand,
    "snow": snow,
    "water": water,
}

MEAN: dict[str, tuple[int, int, int]] = {
    "plain": (148, 146, 148),
    "checkered": (150, 148, 146),
    "wooden": (155, 100, 57),
    "grass": (85, 135, 42),
    "sand": (194, 158, 122),
    "snow": (198, 214, 234),
    "water": (40, 90, 130),
}
"""What a mirror sees of each floor, as sRGB bytes."""
