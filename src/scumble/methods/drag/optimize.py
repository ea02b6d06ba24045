"""The inner optimisation that all drag methods share: look, track, supervise, step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scumble.methods.drag.features import Features
from scumble.methods.drag.grid_pairs import GridPairs
from scumble.methods.drag.settings import DragResult, DragSettings
from scumble.methods.drag.supervision import FeatureGrid, motion_loss, track

__all__ = ["mask_loss", "optimize"]

HALF_SCALE = 2.0**12
"""Factor on the loss where activations are float16, so that their gradients don't vanish; Adam does not see it."""


def mask_loss(weight: float, outside: Tensor) -> Callable[[Tensor, Features, Features], Tensor]:
    """The loss that holds the next latent outside the mask (DragDiffusion, arXiv 2306.14435 eq. 3).

    Args:
        weight: Of the loss.
        outside: 1 where the latent is held (1, 1, h, w).
    """

    def loss(value: Tensor, now: Features, before: Features) -> Tensor:
        return weight * ((now.next_latent - before.next_latent) * outside).abs().sum()

    return loss


def optimize(
    start: Tensor,
    look: Callable[[Tensor], Features],
    pairs: GridPairs,
    search: DragSettings,
    preserve: Callable[[Tensor, Features, Features], Tensor] | None = None,
    on_iteration: Callable[[int, DragResult], None] | None = None,
    original: Callable[[], Features] | None = None,
) -> DragResult:
    """Move features along the pairs by Adam on ``start``; no parameter gets a gradient.

    The first look is at once the reference (its features are the handles' features) and that of iteration 0. When all
    updates are made, the points are tracked once more, so that ``handles`` belong to ``value``.

    Args:
        start: The tensor to optimise; it is not changed.
        look: Evaluates the network; gradients are enabled.
        pairs: Where from, where to.
        search: How.
        preserve: Given the tensor, this look and the first one (without graph): a term that keeps the rest.
        on_iteration: Called before every update with its number; may raise to stop.
        original: Looks at the picture as it was, whose features are to be followed, where ``start`` already belongs to
            a picture that was pulled along the points: tracking then begins at the targets.
    """
    device = start.device
    targets = pairs.targets.to(device)
    value = start.detach().float().clone().requires_grad_(True)
    adam = torch.optim.Adam([value], lr=search.learning_rate)
    drag = DragResult(value, pairs.handles.to(device))
    scale = HALF_SCALE if search.half else 1.0
    first: Features | None = None
    wanted = torch.empty(0)
    if original is not None:
        with torch.no_grad():
            first = original()
        wanted = FeatureGrid(first.feature, pairs.size).points(drag.handles)
        drag.handles = targets.round()
    for k in range(search.iterations + 1):
        with torch.set_grad_enabled(k < search.iterations):
            features = look(value)
        now = FeatureGrid(features.feature, pairs.size)
        with torch.no_grad():
            if first is None:
                first = Features(features.feature.detach(), None if features.after is None else features.after.detach())
                wanted = FeatureGrid(first.feature, pairs.size).points(drag.handles)
            else:
                drag.handles = track(now, wanted, drag.handles, search.radius)
                drag.path.append(drag.handles)
        if k == search.iterations or bool(((targets - drag.handles).norm(dim=-1) < search.arrived).all()):
            break
        if on_iteration is not None:
            on_iteration(k, drag)
        with torch.enable_grad():
            loss = motion_loss(
                now, drag.handles, targets, radius=search.patch_radius, arrived=search.arrived, longest=search.longest
            )
            if preserve is not None:
                loss = loss + preserve(value, features, first)
        drag.losses.append(float(loss.detach()))
        (gradient,) = torch.autograd.grad(loss * scale, value)
        if not bool(torch.isfinite(gradient).all()):
            scale /= 2
            continue
        value.grad = gradient / scale
        adam.step()
        drag.updates += 1
        if search.keep_every and drag.updates % search.keep_every == 0:
            drag.states.append(value.detach().clone())
    drag.value = value.detach()
    return drag
