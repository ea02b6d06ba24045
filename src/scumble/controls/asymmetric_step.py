"""The asymmetric step: the predicted picture from a shifted bottleneck, the direction from the plain one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from scumble.core.control import Branch, Control, RunState, Transition
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.core.traits import Traits
from scumble.errors import MethodError
from scumble.models.taps import Tap

__all__ = ["AsymmetricStep", "AsyrpShift"]

AsyrpShift = Callable[[Tensor, Tensor | None, float], Tensor]
"""``shift(h, temb, t)``: what to add to h (B, C, h', w'), given the time embedding (1 or B, D) and the timestep."""

TWIN = "/shifted"


@dataclass
class AsymmetricStep(Control):
    """Asyrp (arXiv 2210.10960): ``x0`` from a twin of each row with ``h + shift``, ``eps`` from the row itself.

    With the same shifted prediction in both halves the change would nearly cancel. Put it behind guidance and before
    energies. Where it does not act no twin is evaluated. A bottleneck that others overwrite is shifted as they left it.

    Args:
        shift: The shift.
        t_edit: Acts at timesteps from here on.
        guidance: How the twins are combined; None: there is only the conditional row.
        cond_only: Shift the conditional row alone.
        site: The bottleneck.
    """

    shift: AsyrpShift
    t_edit: float
    guidance: Guidance | None = None
    cond_only: bool = False
    site: str = "mid_block"
    _temb: Tensor | None = None

    def traits(self, ctx: RunState) -> Traits:
        """Twins of the branches are evaluated."""
        return Traits(evaluates_twice=True)

    def beside(self, controls: Sequence[Control]) -> Control:
        """Combine the twins as the method's own guidance combines its branches."""
        guidance = next((control for control in controls if isinstance(control, Guidance)), None)
        return replace(self, guidance=self.guidance or guidance)

    def start(self, ctx: RunState) -> None:
        """Refuse solvers that do not use both halves.

        Raises:
            MethodError: Naming the solver.
        """
        if ctx.solver.name != "ddim":
            raise MethodError(
                f"a shift of the bottleneck acts on one half of a ddim step, {ctx.solver.name} has no such halves:"
                " use --solver ddim"
            )

    def active(self, ctx: RunState) -> bool:
        """Whether it acts at this step."""
        return ctx.level.t >= self.t_edit

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for the twins."""
        if not self.active(ctx):
            return rows
        names = ("cond",) if self.cond_only else ("uncond", "cond")
        return [*rows, *(Branch(row.name + TWIN, row.cond, row.x) for row in rows if row.name in names)]

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Shift the twins' bottleneck."""
        if not self.active(ctx):
            return ()

        def read(temb: Tensor) -> None:
            self._temb = temb

        def put(h: Tensor) -> Tensor | None:
            twins = [name for name in ctx.layout if name.endswith(TWIN)]
            if not twins:
                return None
            shifted = h.clone()
            for name in twins:
                # The row itself may be evaluated in another call, with a graph; then the twin's own h is the same.
                base = h[ctx.layout.get(name.removesuffix(TWIN), ctx.layout[name])]
                temb = self._temb
                if temb is not None and temb.shape[0] == h.shape[0]:
                    temb = temb[ctx.layout[name]]
                shifted[ctx.layout[name]] = base + self.shift(base, temb, ctx.level.t)
            return shifted

        return (Tap("time_embedding", read), Tap(self.site, put))

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Take x0 from the twins."""
        if not self.active(ctx):
            return prediction
        twins = {name: rows.get(name + TWIN, rows[name]) for name in ("uncond", "cond") if name in rows}
        shifted = self.guidance.combine(twins) if self.guidance is not None else next(iter(twins.values()))
        return Prediction(shifted.x0, prediction.eps, prediction.variance)

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Forget the step's time embedding."""
        self._temb = None
        return move
