"""Replay an inversion: its noise inside a run, its path as rows or as the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Start, Transition
from scumble.core.schedule import Level
from scumble.core.traits import Traits
from scumble.errors import MethodError
from scumble.inversion.inversion import Inversion

__all__ = ["StoredNoise", "StoredSourceBranch"]


@dataclass
class StoredNoise(Control):
    """Start on an inversion's path and take its noise in every step (arXiv 2304.06140 section 3.2).

    With the words it was inverted with, the run follows the path back to the picture; with others it is an edit.

    Args:
        inversion: One path, or one per sample.
        residuals: Add what ``mean + std z`` misses by rounding: then equal predictions give equal bits.
        offsets: The same in steps without noise, where it is the step's whole offset and carries fine detail.
    """

    inversion: Inversion
    residuals: bool = True
    offsets: bool = True

    def traits(self, ctx: RunState) -> Traits:
        """Noise is stored for one visit of each level."""
        return Traits(needs_one_visit=self.inversion.zs is not None, pointwise=True)

    def check(self, ctx: RunState) -> None:
        """Refuse a run with other levels or other noise than the path's own.

        Raises:
            MethodError: Saying which.
        """
        if _plain(self.inversion.levels) != _plain(ctx.levels):
            raise MethodError(
                "the stored path has other levels than this run: use its steps and schedule, or invert again"
            )
        eta = getattr(ctx.solver, "eta", 0.0)
        rule = self.inversion.rule
        other = ctx.solver.name != rule or (rule == "ddim" and eta != self.inversion.eta)
        if self.inversion.zs is not None and other:
            raise MethodError(
                f"the stored noise is that of {rule} steps with eta {self.inversion.eta:g}, this run takes"
                f" {ctx.solver.name} steps with eta {eta:g}: use the inversion's, or invert again"
            )

    def start(self, ctx: RunState) -> Start:
        """Begin at the path's first level."""
        return Start(self.inversion(ctx, self.inversion.first), self.inversion.first)

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Give the stored noise, and what rounding took away; a repeated step gets fresh noise instead."""
        if ctx.repeat > 0:
            return move
        z, residual = self.inversion.z_at(ctx.i), self.inversion.residual_at(ctx.i)
        silent = not isinstance(move.std, Tensor) and move.std == 0
        wanted = self.offsets if silent else self.residuals
        return replace(
            move,
            noise=None if z is None else z.expand(ctx.shape),
            residual=residual.expand(ctx.shape) if wanted and residual is not None else None,
        )


@dataclass
class StoredSourceBranch(Control):
    """A row whose x is the stored path: a source to look at, exact at every step, without a null row of its own.

    Where others run the source along and correct it afterwards (arXiv 2310.01506), its x are known beforehand. The
    row has the inversion's batch (1), whatever the batch of the run.

    Args:
        inversion: The path.
        cond: Conditioning of the network.
        name: Name of the row.
        until: The row is asked for before this step only; None: always.
    """

    inversion: Inversion
    cond: Conditioning
    name: str = "source"
    until: int | None = None

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Put the stored x of this level before all other rows."""
        if self.until is not None and ctx.i >= self.until:
            return rows
        return [Branch(self.name, self.cond, x=self.inversion.x_at(ctx.i)), *rows]


def _plain(levels: Sequence[Level]) -> list[tuple[float, float]]:
    return [(round(level.t, 3), round(level.a, 6)) for level in levels]
