"""Extending augmentations: many views of one picture, so that a CLIP cannot be fooled in one of them alone."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.noise import NoiseSource

__all__ = ["draw_views", "uniform", "view_maps", "warp"]

PER_VIEW = 13


def uniform(noise: NoiseSource, shape: tuple[int, ...], stream: str, step: int) -> Tensor:
    """Return float64 numbers in (0, 1) of ``shape`` (B, …): a noise stream through the normal distribution function."""
    return torch.special.ndtr(noise.normal(shape, stream, step).double())


def draw_views(noise: NoiseSource, batch: int, copies: int, step: int, tag: str = "") -> Tensor:
    """Return the maps (copies, B, 2, 3, 3) of one step's views, as :func:`view_maps` makes them.

    Every copy of every sample has its own stream, so neither depends on how many others there are.
    """
    drawn = [view_maps(uniform(noise, (batch, PER_VIEW), f"{tag}view{k}", step)) for k in range(copies)]
    return torch.stack(drawn)


def view_maps(
    numbers: Tensor, chance: float = 0.7, degrees: float = 15.0, shift: float = 0.1, distortion: float = 0.7
) -> Tensor:
    """Turn uniform numbers (…, 13) into the two maps (…, 2, 3, 3) that :func:`warp` takes, affine and perspective.

    A rotation of up to ``degrees`` with a translation of up to ``shift`` of the side, then a perspective that moves
    each corner inward by up to ``distortion`` of half the side; each of the two happens with probability ``chance``
    (arXiv 2111.14818 section 4.3; ranges of the published code). Coordinates are in [-1, 1], as in ``grid_sample``.
    """
    identity = torch.eye(3, dtype=torch.float64).expand(*numbers.shape[:-1], 3, 3)
    turned = torch.where(_happens(numbers[..., 0], chance), _affine(numbers[..., 1:4], degrees, shift), identity)
    view = torch.where(_happens(numbers[..., 4], chance), _perspective(numbers[..., 5:13], distortion), identity)
    return torch.stack([turned, view], dim=-3)


def warp(pictures: Tensor, maps: Tensor) -> Tensor:
    """Return views (B, C, H, W) of pictures (B, C, H, W) under maps (B, 2, 3, 3); differentiable, sampled once.

    A point of the view goes through the perspective and, from there, through the affine map to a place in the
    picture. Beyond the frame of the perspective is 0, mid-grey in [-1, 1]; beyond the picture is its edge.
    """
    height, width = pictures.shape[-2:]
    ys = (torch.arange(height, dtype=torch.float64) * 2 + 1) / height - 1
    xs = (torch.arange(width, dtype=torch.float64) * 2 + 1) / width - 1
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    maps = maps.cpu()
    warped = torch.einsum("bij,hwj->bhwi", maps[:, 1], places)
    in_front = warped[..., 2:] > 1e-6
    warped = torch.where(
        in_front, warped[..., :2] / warped[..., 2:].clamp_min(1e-6), torch.full_like(warped[..., :2], 9.0)
    )
    # How much of the pixel at that place lies inside the frame: 1 up to the outermost pixel's centre, 0 one beyond.
    sides = torch.tensor([width, height], dtype=torch.float64)
    inside = ((1 - warped.abs()) * sides / 2 + 0.5).clamp(0, 1).prod(dim=-1)
    warped = torch.cat([warped.clamp(-2, 2), torch.ones_like(warped[..., :1])], dim=-1)
    grid = torch.einsum("bij,bhwj->bhwi", maps[:, 0], warped)[..., :2].to(pictures.device, pictures.dtype)
    views = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return views * inside.to(pictures.device, pictures.dtype)[:, None]


def _happens(number: Tensor, chance: float) -> Tensor:
    return (number < chance)[..., None, None]


def _affine(numbers: Tensor, degrees: float, shift: float) -> Tensor:
    angle = (2 * numbers[..., 0] - 1) * math.radians(degrees)
    # A side is 2 units long, so a shift of a share of it is twice that.
    tx, ty = (2 * (2 * numbers[..., k] - 1) * shift for k in (1, 2))
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [angle.cos(), angle.sin(), tx, -angle.sin(), angle.cos(), ty, zero, zero, one]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def _perspective(numbers: Tensor, distortion: float) -> Tensor:
    """The homography from the four corners moved inward to the corners of the picture."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)
    moved = corners * (1 - distortion * numbers.unflatten(-1, (4, 2)))
    x, y = moved[..., 0], moved[..., 1]
    u, v = corners[:, 0].expand_as(x), corners[:, 1].expand_as(y)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    top = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=-1)
    bottom = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=-1)
    system, right = torch.cat([top, bottom], dim=-2), torch.cat([u, v], dim=-1)
    solved = torch.linalg.solve(system, right.unsqueeze(-1)).squeeze(-1)
    return torch.cat([solved, torch.ones_like(solved[..., :1])], dim=-1).unflatten(-1, (3, 3))
