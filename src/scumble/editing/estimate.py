"""The cost of an edit before it is made: the same loop, run with a network of zeros that only counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from scumble.core.cost import Cost
from scumble.editing.asked import Edit
from scumble.editing.result import Result
from scumble.editing.speed import measured
from scumble.models.base import Model
from scumble.models.counting import CountingModel
from scumble.models.footprint import memory_of

__all__ = ["Plan", "plan"]

LORA_ROWS = 4
"""Rows of one update of a LoRA for a picture."""


@dataclass(frozen=True)
class Plan:
    """The cost of an edit, at least and at most.

    Attributes:
        least: The fewest rows and calls.
        most: The most.
        why: What they depend on; empty where both are the same.
        milliseconds: What a row took with this method, model and size on this machine; None: not measured yet.
        peak_bytes: Highest memory above the model's weights, by the formula of the method.
    """

    least: Cost
    most: Cost
    why: str = ""
    milliseconds: float | None = None
    peak_bytes: int | None = None

    @property
    def seconds(self) -> tuple[float, float] | None:
        """The least and the most seconds; None: not measured yet on this machine."""
        if self.milliseconds is None:
            return None
        least, most = (one.forward_rows + one.backward_rows for one in (self.least, self.most))
        return self.milliseconds * least / 1000, self.milliseconds * most / 1000

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
        counts = ", ".join(parts) + (f" ({self.why})" if self.why else "")
        memory = "" if self.peak_bytes is None else f"; about {_in_units(self.peak_bytes)} of memory beside the model"
        return f"{counts}; {self._time()}{memory}"

    def _time(self) -> str:
        if self.seconds is None:
            return "seconds: not measured yet with this method, model and size on this machine"
        low, high = (f"{one:.2g}" if one < 10 else f"{one:.0f}" for one in self.seconds)
        span = low if low == high else f"{low} to {high}"
        return f"about {span} s, at {self.milliseconds:.3g} ms a row as measured here"


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
    paints = "iterations" in fields and not drags and not hasattr(method, "inversion_settings")
    if paints:
        quick["iterations"] = 0  # each is a pass of an autoencoder, none of the network
    first, size = _made(asked, make, quick)
    if iterated == "inversion_iterations" and "inversion" in first.cost.reused:
        iterated = None  # an earlier edit made it
    why: list[str] = []
    least = _counted(asked, make, quick | {iterated: 1}) if iterated and not paints else _counts(first.cost)
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
    steps = getattr(method, "num_inference_steps", None) or first.recipe.used.get("num_inference_steps", 50)
    return Plan(
        least,
        most,
        "; ".join(why),
        measured(asked.model, method.method_name(), size),
        method.footprint.bytes(memory_of(asked.model, size), first.cost, int(steps), asked.numbers()[2]),
    )


def _counted(asked: Edit, make: Callable[[Edit], Result], fields: dict[str, Any], forced: bool = False) -> Cost:
    return _counts(_made(asked, make, fields, forced)[0].cost)


def _counts(cost: Cost) -> Cost:
    """Its rows and calls alone."""
    return Cost(cost.forward_rows, cost.backward_rows, cost.network_calls)


def _made(
    asked: Edit, make: Callable[[Edit], Result], fields: dict[str, Any], forced: bool = False
) -> tuple[Result, tuple[int, int]]:
    """The edit with a network that counts, and the size at which it works."""
    changed = {name: value for name, value in fields.items() if name in type(asked.method).model_fields}
    model = cast("Model", CountingModel(asked.model, restless=forced))
    method = asked.method.model_copy(update=changed)
    reuse = replace(asked.reuse, adds=False)  # what a counting network makes is nothing that an edit may begin from
    counted = replace(asked, model=model, method=method, reuse=reuse, seed=asked.seed or 0, on_step=None, cancel=None)
    result = make(counted)
    return result, result.worked_at


def _in_units(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def _minus(one: Cost, other: Cost) -> Cost:
    return _plus(one, other, -1)


def _plus(one: Cost, other: Cost, times: int) -> Cost:
    return Cost(
        one.forward_rows + times * other.forward_rows,
        one.backward_rows + times * other.backward_rows,
        one.network_calls + times * other.network_calls,
    )
