"""The runtime in an edit: how many rows it may count on, and what the result says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scumble.methods.extras.extra import Extra
    from scumble.methods.method import Method
    from scumble.models.base import Model

__all__ = ["planned_rows", "planned_steps", "runtime_notices"]


def planned_steps(method: Method) -> int:
    """Steps of a run; 50 where the method has none or leaves them to its default."""
    return int(getattr(method, "num_inference_steps", None) or 50)


def planned_rows(method: Method, also: Sequence[Extra], count: int) -> int:
    """Network rows, at least, that a runtime can answer: those of a method that looks inside the network are none.

    Args:
        method: The method.
        also: What acts besides; it looks inside the network.
        count: Number of candidates.
    """
    if method.looks_inside or also:
        return 0
    share = float(getattr(method, "strength", 1.0)) if method.strength_is_global else 1.0
    rows = 1 if getattr(method, "guidance_scale", None) == 1 else 2
    return int(planned_steps(method) * share) * rows * count


def runtime_notices(model: Model) -> list[str]:
    """What was answered by which runtime, and what did not go as asked; nothing where PyTorch did everything."""
    runtime = model.runtime
    if runtime is None:
        return []
    return [line for line in (runtime.answers.sentence(runtime.name), runtime.remark) if line]
