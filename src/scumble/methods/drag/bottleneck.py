"""The dragged bottleneck put into every step of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from scumble.core.control import Control, RunState
from scumble.models.taps import Tap

__all__ = ["Bottleneck"]


@dataclass
class Bottleneck(Control):
    """Overwrite the mid block's output, which holds the structure of the picture (arXiv 2404.01050 section 3.3).

    The last output of the encoder still enters the decoder as a skip connection.

    Args:
        h: What to put there (1 or B, C', h', w').
        until: Replace the output before this step only.
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

        def put(output: Tensor) -> Tensor:
            result = output.clone()
            for name in self.rows_of:
                if name in ctx.layout:
                    place = ctx.layout[name]
                    result[place] = self.h.to(output.dtype).expand(place.stop - place.start, *output.shape[1:])
            return result

        return (Tap(self.site, put),)
