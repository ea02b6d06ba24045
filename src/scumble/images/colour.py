"""The colours of one picture given to another."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["match_colours"]


def match_colours(pictures: Tensor, target: Tensor) -> Tensor:
    """Return pictures (B, 3, H, W) whose colours have the mean and covariance of a target's (1, 3, H', W').

    The linear map that moves colours least (Monge and Kantorovich; Pitié and Kokaram 2007). Computed in float64.
    """
    goal = target.double().flatten(2)[0]
    mean_goal, spread_goal = goal.mean(1, keepdim=True), torch.cov(goal)
    made = []
    for picture in pictures.double():
        flat = picture.flatten(1)
        mean, spread = flat.mean(1, keepdim=True), torch.cov(flat)
        root = _power(spread, 0.5)
        back = _power(spread, -0.5)
        move = back @ _power(root @ spread_goal @ root, 0.5) @ back
        made.append((move @ (flat - mean) + mean_goal).reshape(picture.shape))
    return torch.stack(made).to(pictures.dtype)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(1e-10) ** exponent) @ vectors.T
