"""Small vector algebra on (3, N) tensors: one contiguous row per coordinate."""

from __future__ import annotations

import torch
from torch import Tensor


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products over the first axis, summed in a fixed order."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def normalise(a: Tensor) -> Tensor:
    """Unit vectors along the first axis."""
    return a / dot(a, a).clamp_min(1e-16).sqrt()


def fraction(x: Tensor) -> Tensor:
    """Distance above the next lower integer, from 0 to 1, for negative numbers too."""
    return x - torch.floor(x)


def hash_cells(i: Tensor, j: Tensor, seed: Tensor) -> Tensor:
    """A repeatable number from 0 to 1 for every integer cell."""
    return fraction(torch.sin(i * 12.9898 + j * 78.233 + seed) * 437.5453)


def value_noise(x: Tensor, y: Tensor, seed: Tensor) -> Tensor:
    """Smooth noise from 0 to 1 with one value per unit cell."""
    i, j = torch.floor(x), torch.floor(y)
    fx, fy = x - i, y - j
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    near = torch.lerp(hash_cells(i, j, seed), hash_cells(i + 1, j, seed), fx)
    far = torch.lerp(hash_cells(i, j + 1, seed), hash_cells(i + 1, j + 1, seed), fx)
    return torch.lerp(near, far, fy)
