"""The value of an energy and its gradient through the network, checked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scumble.controls.slopes import Acting
from scumble.core.control import RunState
from scumble.energies.protocol import Observation
from scumble.errors import MethodError, nearest

__all__ = ["checked_value", "finite", "gradient_at", "half_scale"]

HALF_SCALE = 1000.0
"""What a loss is multiplied by before its gradient goes through a network in half precision (arXiv 2306.00986)."""


def checked_value(one: Acting, observation: Observation, reference: Tensor | None) -> Tensor:
    """Return an energy's values (B,).

    Raises:
        MethodError: If they are not one finite number per sample with a gradient, or if it looks at what there is not.
    """
    energy, ctx = one[1].energy, observation.ctx
    where = f"energy {energy.name} at step {ctx.i + 1} of {ctx.steps}"
    try:
        value = energy(observation, reference)
    except AttributeError as error:
        if error.obj is not observation and error.obj is not reference:
            raise
        known = sorted(
            {*vars(observation), *dir(Observation)} - {name for name in dir(observation) if name.startswith("_")}
        )
        raise MethodError(
            f"{where} looks at {error.name!r}{nearest(str(error.name), known)}; an energy sees {', '.join(known)}"
        ) from error
    if not isinstance(value, Tensor) or tuple(value.shape) != (observation.x.shape[0],):
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise MethodError(f"{where} returned {shape}, expected one value per sample ({observation.x.shape[0]},)")
    if not bool(value.isfinite().all()):
        raise MethodError(f"{where} is {value.detach().flatten()[0]:g}: it must be finite; lower its weight")
    if not value.requires_grad:
        raise MethodError(f"{where} does not depend on what it reads, so there is no gradient")
    return value


def finite(ctx: RunState, gradient: Tensor) -> Tensor:
    """Return the gradient.

    Raises:
        MethodError: If it is not finite.
    """
    if not bool(gradient.isfinite().all()):
        raise MethodError(f"the gradient of the energies is not finite at step {ctx.i + 1}: lower their weights")
    return gradient


def half_scale(ctx: RunState) -> float:
    """What gradients are multiplied by on their way through a network in half precision."""
    dtype = getattr(ctx.network, "dtype", torch.float32)
    return HALF_SCALE if dtype in (torch.float16, torch.bfloat16) else 1.0


def gradient_at(
    ctx: RunState, roots: Sequence[tuple[Tensor, Tensor | None]], leaf: Tensor, scale: float, keep: bool
) -> Tensor:
    """Return the gradient at the leaf, given the network's outputs and the gradients at them (None: 1)."""
    outputs, at_outputs = zip(*roots, strict=True)
    (gradient,) = torch.autograd.grad(outputs, leaf, at_outputs, retain_graph=keep, allow_unused=True)
    if gradient is None:
        raise MethodError("the energies do not depend on the noisy picture: their maps are overwritten by another")
    ctx.cost.backward(leaf.shape[0])
    return gradient * (scale / half_scale(ctx))
