"""The colours of one picture given to another, or one colour to a picture."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["match_colors", "tinted"]


def match_colors(pictures: Tensor, target: Tensor) -> Tensor:
    """Return pictures (B, 3, H, W) whose colours have the mean and covariance of a target's (1, 3, H', W').

    The linear map that moves colours least (Monge and Kantorovich; Pitié and Kokaram 2007). Computed in float64.
    """
    goal = target.double().flatten(2)[0]
    mean_goal, spread_goal = goal.mean(1, keepdim=True), torch.cov(goal)
    matched = []
    for picture in pictures.double():
        flat = picture.flatten(1)
        mean, spread = flat.mean(1, keepdim=True), torch.cov(flat)
        root = _power(spread, 0.5)
        back = _power(spread, -0.5)
        move = back @ _power(root @ spread_goal @ root, 0.5) @ back
        matched.append((move @ (flat - mean) + mean_goal).reshape(picture.shape))
    return torch.stack(matched).to(pictures.dtype)


def tinted(picture: Tensor, color: Tensor, where: Tensor) -> Tensor:
    """Return a picture (1, 3, H, W) in [-1, 1] in shades of one colour, its lights and shadows kept.

    Where the picture is as light as the region is on average it has the colour itself; darker places are the colour
    times their share of that lightness, lighter ones go towards white.

    Args:
        picture: The picture.
        color: (3,) in [-1, 1].
        where: The region whose mean lightness counts (1, 1, H, W) in [0, 1].
    """
    luma = torch.tensor([0.299, 0.587, 0.114], device=picture.device).reshape(1, 3, 1, 1)
    light = ((picture + 1) / 2 * luma).sum(1, keepdim=True)
    share = light / ((light * where).sum() / where.sum().clamp_min(1e-6)).clamp_min(0.02)
    plain = (color.reshape(1, 3, 1, 1) + 1) / 2
    lit = plain + (1 - plain) * (1 - 1 / share.clamp_min(1.0))
    return torch.where(share < 1, plain * share, lit) * 2 - 1


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(1e-10) ** exponent) @ vectors.T
