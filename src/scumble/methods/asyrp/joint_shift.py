"""Several attributes shifted at once (arXiv 2210.10960 section 5.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scumble.controls.asymmetric_step import AsyrpShift
from scumble.methods.asyrp.direction import Direction

__all__ = ["joint_shift", "shift_of"]


def joint_shift(
    directions: Sequence[Direction], strengths: Sequence[float], h: Tensor, temb: Tensor | None, t: float, steps: int
) -> Tensor:
    """Return the shift of several attributes at once (arXiv 2210.10960 section 5.2).

    Each is multiplied by its strength and by ``n_train / n_test``, since a run of more steps is shifted more often;
    k attributes are divided by ``sqrt(k)``.
    """
    total = torch.zeros_like(h)
    for direction, strength in zip(directions, strengths, strict=True):
        total = total + strength * direction.about.steps / steps * direction(h, temb, t)
    return total / math.sqrt(len(directions))


def shift_of(directions: list[Direction], strengths: tuple[float, ...], steps: int) -> AsyrpShift:
    """The shift of the bottleneck by all directions together."""
    return lambda h, temb, t: joint_shift(directions, strengths, h, temb, t, steps)
