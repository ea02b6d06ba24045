"""Gradients of energies at a prediction that is cut off from the network, so that its graph is walked only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.energies.protocol import Observation, WeightedEnergy
from scumble.errors import MethodError

__all__ = ["Acting", "Slopes", "place_of", "slopes"]

Acting = tuple[int, WeightedEnergy, float]
"""Number, energy and factor of one that acts at a step."""


@dataclass
class Slopes:
    """Gradients of a sum of energies (B, C, h, w) with respect to each of the tensors they judge; None: no dependence.

    Attributes:
        x: At the noisy tensor, where an energy looks at it directly.
        x0: At the predicted clean tensor, also through the decoder.
        eps: At the predicted noise.
    """

    x: Tensor | None = None
    x0: Tensor | None = None
    eps: Tensor | None = None


def place_of(weighted: WeightedEnergy) -> str:
    """Name of the place where an energy's gradient is applied; those of one name are added up before the backward."""
    return f"mean/{weighted.variance}" if weighted.place == "mean" else weighted.place


def slopes(
    ctx: RunState,
    x: Tensor,
    prediction: Prediction,
    decode: Callable[[Tensor], Tensor],
    acting: Sequence[Acting],
    value: Callable[[Acting, Observation], Tensor],
    scale: float = 1.0,
) -> dict[str, Slopes]:
    """Return the gradients for each place; every energy's own graph is gone before the next one is evaluated.

    Args:
        ctx: The run.
        x: The noisy tensor (B, C, h, w).
        prediction: What is judged at it.
        decode: From x0 to a picture; done once, and its graph is walked once for each place.
        acting: The energies.
        value: Evaluates one of them (B,), checked.
        scale: Multiplies the gradients.
    """
    leaves = [t.detach().requires_grad_(True) for t in (x, prediction.x0, prediction.eps)]
    at_x, at_x0, at_eps = leaves
    decoded: list[Tensor] = []

    def cut(x0: Tensor) -> Tensor:
        picture = decode(x0)
        if picture is x0:
            return x0
        decoded.append(picture)
        leaves.append(picture.detach().requires_grad_(True))
        return leaves[-1]

    observation = Observation(ctx, at_x, at_x0, at_eps, decode=cut)
    sums: dict[str, list[Tensor | None]] = {}
    for one in acting:
        loss = one[2] * value(one, observation).sum()
        gradients = torch.autograd.grad(loss * scale, leaves, allow_unused=True)
        if all(gradient is None for gradient in gradients):
            raise MethodError(f"energy {one[1].energy.name} does not depend on the predicted picture")
        total = sums.setdefault(place_of(one[1]), [None] * 4)
        for n, gradient in enumerate(gradients):
            total[n] = _added(total[n], gradient)
    return {
        place: Slopes(total[0], _through_decoder(total[1], total[3], decoded, at_x0), total[2])
        for place, total in sums.items()
    }


def _through_decoder(
    x0: Tensor | None, picture: Tensor | None, decoded: Sequence[Tensor], leaf: Tensor
) -> Tensor | None:
    """Add to the gradient at x0 what comes back from the picture that it was decoded to."""
    if picture is None:
        return x0
    (back,) = torch.autograd.grad(decoded[0], leaf, picture, retain_graph=True)
    return _added(x0, back)


def _added(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total + more
