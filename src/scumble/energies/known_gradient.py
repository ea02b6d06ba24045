"""Values whose gradient is known already, for energies that find it by themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["with_gradient"]


def with_gradient(at: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """Return values (B,) whose sum has the given gradient at ``at`` (B, …): for energies that find it by themselves."""
    result: Tensor = _WithGradient.apply(at, value, gradient)
    return result


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, at: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return upstream[0].reshape(-1, *(1,) * (gradient.dim() - 1)) * gradient, None, None
