"""Start a run at a step of its schedule with a given x."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from scumble.core.control import Control, RunState, Start

__all__ = ["StartAt"]


@dataclass
class StartAt(Control):
    """Start at step ``index`` with x (1 or B, C, h, w)."""

    x: Tensor
    index: int

    def start(self, ctx: RunState) -> Start:
        """Start there."""
        return Start(self.x.expand(ctx.shape), self.index)
