"""Replacement of a layer's output in a run: how a change at one step is carried into all later ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from scumble.core.control import Control, RunState, Start
from scumble.models.taps import Tap

__all__ = ["StartAt", "Bottleneck"]


@dataclass
class StartAt(Control):
    """Begin a run at a step with a given x (1 or B, C, h, w)."""

    x: Tensor
    index: int

    def start(self, ctx: RunState) -> Start:
        """Begin there."""
        return Start(self.x.expand(ctx.shape), self.index)


@dataclass
class Bottleneck(Control):
    """Overwrite the mid block's output, which holds the structure of the picture (arXiv 2404.01050 section 3.3).

    The last output of the encoder still enters the decoder as a skip connection.

    Args:
        h: What to put there (1 or B, C', h', w').
        until: The step from which on the network's own output stands again.
        site: Another layer, for comparisons.
        rows_of: Rows that are overwritten; others (a reference) keep their own.
    """

    h: Tensor
    until: int
    site: str = "mid_block"
    rows_of: tuple[str, ...] = ("cond", "uncond")

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Overwrite before step ``until``."""
        if ctx.i >= self.until:
            return ()

        def put(own: Tensor) -> Tensor:
            made = own.clone()
            for name in self.rows_of:
                if name in ctx.layout:
                    place = ctx.layout[name]
                    made[place] = self.h.to(own.dtype).expand(place.stop - place.start, *own.shape[1:])
            return made

        return (Tap(self.site, put),)
