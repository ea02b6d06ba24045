"""Edits of the noise itself: moving or mirroring a path moves or mirrors the picture (arXiv 2304.06140 section 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from scumble.inversion.inversion import Inversion

__all__ = ["flipped", "shifted"]

Draw = Callable[[str, int], Tensor]


def flipped(inversion: Inversion, axis: Literal["horizontal", "vertical"]) -> Inversion:
    """Mirror left and right (horizontal) or up and down (vertical)."""
    dim = -1 if axis == "horizontal" else -2
    return _each(inversion, lambda tensor: tensor.flip(dim))


def shifted(inversion: Inversion, dx: int, dy: int, draw: Draw | None = None) -> Inversion:
    """Move by whole cells, to the right and down.

    Args:
        inversion: The path.
        dx: Cells to the right; negative: to the left.
        dy: Cells down; negative: up.
        draw: ``draw(stream, i)`` gives normal noise (B, C, h, w) for the cells that become free at level or step i.
            Their z are that noise, of unit variance: z as large as their neighbours' would not be taken back by the
            next ones, as those of the path are. Their x have each channel's mean and variance. None: what leaves on
            one side enters on the other.
    """
    moved = _each(inversion, lambda tensor: tensor.roll((dy, dx), (-2, -1)))
    if draw is None:
        return moved
    free = torch.zeros(inversion.xs.shape[-2:], dtype=torch.bool, device=inversion.xs.device)
    height, width = free.shape
    free[:, : max(dx, 0)] = free[: max(dy, 0)] = True
    free[:, width + min(dx, 0) :] = free[height + min(dy, 0) :] = True

    def draws(stream: str, count: int) -> Tensor:
        return torch.stack([draw(stream, inversion.first + k).to(free.device) for k in range(count)])

    std, mean = torch.std_mean(inversion.xs, dim=(-2, -1), keepdim=True)
    xs = torch.where(free, mean + std * draws("free/x", len(inversion.xs)), moved.xs)
    zs = moved.zs
    if zs is not None and len(zs):
        zs = torch.where(free, draws("free/z", len(zs)), zs)
    residuals = None if moved.residuals is None else torch.where(free, 0.0, moved.residuals)
    return replace(moved, xs=xs, zs=zs, residuals=residuals)


def _each(inversion: Inversion, change: Callable[[Tensor], Tensor]) -> Inversion:
    zs, residuals = (None if t is None else change(t) for t in (inversion.zs, inversion.residuals))
    return replace(inversion, xs=change(inversion.xs), zs=zs, residuals=residuals)
