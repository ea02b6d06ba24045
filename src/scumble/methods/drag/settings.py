"""Settings of a drag's optimization, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["DragResult", "DragSettings"]


@dataclass(frozen=True)
class DragSettings:
    """Numbers of the optimisation, in steps of the supervision grid.

    Attributes:
        iterations: K, the largest number of updates.
        learning_rate: Of Adam.
        patch_radius: r1 of motion supervision.
        radius: r2 of tracking.
        arrived: A point nearer than this to its target has arrived.
        longest: Longest step that supervision asks for; None: always 1, as published.
        keep_every: Keep the tensor of every k-th update in ``DragResult.states``; 0 keeps none.
        half: The network runs in float16.
    """

    iterations: int
    learning_rate: float
    patch_radius: int = 1
    radius: int = 3
    arrived: float = 1.0
    longest: float | None = 1.0
    keep_every: int = 0
    half: bool = False


@dataclass
class DragResult:
    """The outcome of an optimization.

    Attributes:
        value: The optimised tensor.
        updates: Updates that were made.
        handles: (N, 2) where tracking last saw the points.
        path: Handles after each tracking.
        losses: Loss of each iteration.
        states: Kept tensors on the way.
    """

    value: Tensor
    handles: Tensor
    updates: int = 0
    path: list[Tensor] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
