"""The cost of a result, counted where the network is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Cost"]


@dataclass
class Cost:
    """Running totals of one edit.

    Attributes:
        forward_rows: Pictures pushed forward through the denoising network (a batch of 2 counts 2).
        backward_rows: Rows through which a gradient was taken.
        network_calls: Calls of the denoising network, whatever the batch.
        seconds: Wall-clock time of the edit.
        reused: What came from the editor's cache, and the rows of the network that this saved.
        widest: Most rows of one call.
        widest_gradient: Most rows of one gradient.
        before_call: Called before each network call.
        peak_bytes: Highest memory during the edit above its start (CUDA: allocated; CPU: resident set).
    """

    forward_rows: int = 0
    backward_rows: int = 0
    network_calls: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0
    reused: dict[str, int] = field(default_factory=dict)
    widest: int = field(default=0, compare=False)
    widest_gradient: int = field(default=0, compare=False)
    before_call: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    def forward(self, rows: int) -> None:
        """Count one call with ``rows`` rows; whoever looks on may stop it by raising."""
        if self.before_call is not None:
            self.before_call()
        self.forward_rows += rows
        self.widest = max(self.widest, rows)
        self.network_calls += 1

    def backward(self, rows: int) -> None:
        """Count one gradient through ``rows`` rows."""
        self.backward_rows += rows
        self.widest_gradient = max(self.widest_gradient, rows)

    def as_dict(self) -> dict[str, float | int]:
        """Return the totals as plain numbers; rows that the cache saved only where there are some."""
        saved = sum(self.reused.values())
        return {
            "forward_rows": self.forward_rows,
            "backward_rows": self.backward_rows,
            "network_calls": self.network_calls,
            "seconds": round(self.seconds, 3),
            "peak_bytes": self.peak_bytes,
            **({"reused_rows": saved} if saved else {}),
        }
