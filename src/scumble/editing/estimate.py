"""What an edit will cost: the same loop is run with a network of zeros that only counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from scumble.core.cost import Cost
from scumble.editing.asked import Edit
from scumble.editing.result import Result
from scumble.models.base import Model
from scumble.models.counting import CountingModel

__all__ = ["Plan", "plan"]

LORA_ROWS = 4
"""Rows of one update of a LoRA for a picture."""


@dataclass(frozen=True)
class Plan:
    """What an edit will cost, at least and at most.

    Attributes:
        least: The fewest rows and calls.
        most: The most.
        why: What they depend on; empty where both are the same.
    """

    least: Cost
    most: Cost
    why: str = ""

    @property
    def exact(self) -> bool:
        """Whether the cost does not depend on the image."""
        return not self.why

    def __str__(self) -> str:
        """One line for the user."""
        figures = (
            ("network calls", self.least.network_calls, self.most.network_calls),
            ("forward rows", self.least.forward_rows, self.most.forward_rows),
            ("backward rows", self.least.backward_rows, self.most.backward_rows),
        )
        parts = [f"{low if low == high else f'{low} to {high}'} {name}" for name, low, high in figures]
        return ", ".join(parts) + (f" ({self.why})" if self.why else "")


def plan(asked: Edit, make: Callable[[Edit], Result]) -> Plan:
    """Count what an edit will cost, without making it.

    Args:
        asked: The edit.
        make: Makes it.
    """
    fields, method = type(asked.method).model_fields, asked.method
    quick: dict[str, Any] = {name: 0 for name in ("lora_steps", "decoder_steps") if name in fields}
    iterated = next((name for name in ("inversion_iterations", "iterations") if name in fields), None)
    drags = "points" in fields and iterated is not None
    if iterated == "inversion_iterations" and "inversion" in _counted(asked, make, quick).reused:
        iterated = None  # an earlier edit made it
    paints = "iterations" in fields and not drags and not hasattr(method, "inversion_settings")
    if paints:
        quick["iterations"] = 0  # each is a pass of an autoencoder, none of the network
    why: list[str] = []
    least = _counted(asked, make, quick | ({iterated: 1} if iterated and not paints else {}))
    most = least
    rounds = getattr(method, iterated) if iterated and not paints else 1
    if rounds > 1 and asked.inversion is None:
        twice = _counted(asked, make, quick | {cast("str", iterated): rounds}, forced=True)
        most, why = twice, ["iterations of the inversion stop early where they can"]
    if drags and getattr(method, "iterations", False):
        one = _counted(asked, make, quick | {cast("str", iterated): 1, "iterations": 1})
        none = _counted(asked, make, quick | {cast("str", iterated): 1, "iterations": 0})
        each = _minus(one, none)
        updates = getattr(method, "iterations") - 1  # noqa: B009 - not every method has the field
        most = _plus(most, each, updates)
        why.append("a drag ends when its points have arrived")
    if getattr(method, "restarts", 0):
        most = _plus(most, least, getattr(method, "restarts"))  # noqa: B009
        why.append("a run begins anew when it strays")
    if steps := getattr(method, "lora_steps", 0):
        most = _plus(most, Cost(LORA_ROWS, LORA_ROWS, 1), steps)
        why.append("a LoRA that is there is not trained again")
    return Plan(least, most, "; ".join(why))


def _counted(asked: Edit, make: Callable[[Edit], Result], fields: dict[str, Any], forced: bool = False) -> Cost:
    changed = {name: value for name, value in fields.items() if name in type(asked.method).model_fields}
    model = cast("Model", CountingModel(asked.model, restless=forced))
    method = asked.method.model_copy(update=changed)
    cost = make(replace(asked, model=model, method=method, seed=asked.seed or 0, on_step=None, cancel=None)).cost
    return Cost(cost.forward_rows, cost.backward_rows, cost.network_calls, reused=cost.reused)


def _minus(one: Cost, other: Cost) -> Cost:
    return _plus(one, other, -1)


def _plus(one: Cost, other: Cost, times: int) -> Cost:
    return Cost(
        one.forward_rows + times * other.forward_rows,
        one.backward_rows + times * other.backward_rows,
        one.network_calls + times * other.network_calls,
    )
