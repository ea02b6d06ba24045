"""Values that a method reports: for all candidates together, and for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Report"]


@dataclass
class Report:
    """Named values for the result and its recipe (scores, errors of arrival, …).

    Attributes:
        frames: Pictures of the way to the result (1, 3, H, W) in [-1, 1] at the model's size, the source first.
    """

    frames: list[Tensor] = field(default_factory=list)
    _values: dict[str, tuple[bool, Any]] = field(default_factory=dict)

    def say(self, **values: Any) -> None:
        """Report values that hold for all candidates of the batch."""
        self._values |= {name: (False, value) for name, value in values.items()}

    def say_of_each(self, **values: Sequence[Any]) -> None:
        """Report one value for every candidate of the batch, in their order."""
        self._values |= {name: (True, list(each)) for name, each in values.items()}

    def update(self, other: Report) -> None:
        """Take over what another batch's report says."""
        self._values |= other._values

    def of(self, candidate: int) -> dict[str, Any]:
        """Return what is reported about one candidate of the batch (0: the first)."""
        return {name: value[candidate] if each else value for name, (each, value) in self._values.items()}
