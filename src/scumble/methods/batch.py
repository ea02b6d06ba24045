"""One batch of one edit, as a method sees it, and the way to run the loop."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scumble.controls.change_map import (
    FEW_STEPS,
    ChangeMap,
    NoisedSource,
    release_fraction,
    release_index,
    start_index,
)
from scumble.core.control import Control, RunState, StepResult, Trajectory
from scumble.core.loop import denoise
from scumble.core.rounding import SLACK
from scumble.core.schedule import Level
from scumble.core.solver import Solver
from scumble.errors import InputError
from scumble.methods.batch_picture import X0
from scumble.methods.batch_words import BatchWords
from scumble.methods.progress import Stage

__all__ = ["X0", "EditBatch"]


@dataclass
class EditBatch(BatchWords):
    """Everything a method needs for one batch of candidates: its data, its guidance, and the loop."""

    @property
    def default_steps(self) -> int:
        """Number of steps of a run for which nobody gave one: the model's, else 50."""
        return int(self.model.defaults.get("num_inference_steps", 50))

    def levels(self, num_inference_steps: int, solver: str = "ddim") -> tuple[Level, ...]:
        """The levels of a run.

        Raises:
            InputError: If the number of steps does not fit the model's schedule.
        """
        try:
            return self.model.schedule.levels(num_inference_steps, solver)
        except ValueError as error:
            raise InputError(str(error)) from error

    def keep_outside_map(self, steps: int, first: float, source: Trajectory | None = None) -> ChangeMap:
        """The control that begins at step ``first`` from the source and keeps what the change map says.

        Args:
            steps: N.
            first: The step at which a global strength lets the run begin, as of :meth:`begin`.
            source: The kept trajectory; the source noised by one draw by default.
        """
        change = self.latent_change()
        release, fraction = release_index(change, steps, first), self.fraction(change, steps, first)
        return ChangeMap(release, source or NoisedSource(self.x0), first=int(first + SLACK), fraction=fraction)

    def divides(self, steps: int) -> bool:
        """Whether places are freed inside a step of a run of N steps."""
        return steps < FEW_STEPS if self.substeps is None else self.substeps

    def begin(self, strength: float, steps: int) -> float:
        """The step at which a global strength lets a run of N steps begin, a fraction: only its product with the map
        is rounded. With ``substeps=False``, as in version 0.1, the step itself is rounded too."""
        return float(start_index(strength, steps)) if self.substeps is False else (1.0 - strength) * steps

    def fraction(self, change: Tensor, steps: int, first: float = 0) -> Tensor | None:
        """How far into the step of its release each cell waits; None where only whole steps count."""
        return release_fraction(change, steps, first) if self.divides(steps) else None

    def without_clipping(self) -> EditBatch:
        """The same batch on the same network, whose predictions are never clipped (published code ignores the
        checkpoint's word on it)."""
        model = copy.copy(self.model)
        model.clip_sample = None
        return replace(self, model=model)

    def context(self, levels: tuple[Level, ...], solver: Solver, tag: str = "") -> RunState:
        """A fresh context for one run of the loop."""
        device = torch.device(self.model.device)
        return RunState(self.model, levels, solver, self.noise, self.shape, device, self.cost, tag=tag)

    def denoise(
        self,
        levels: tuple[Level, ...],
        solver: Solver,
        controls: Sequence[Control],
        tag: str = "",
        stage: Stage = "sample",
    ) -> Tensor:
        """Run the loop and return the tensor at the last level."""
        first: list[int] = []

        def report(ctx: RunState, result: StepResult) -> None:
            first[:] = first or [ctx.i]
            self.tell(ctx.i + 1 - first[0], ctx.steps - first[0], result.prediction.x0)

        ctx = self.context(levels, solver, tag)
        if self.extra:
            from scumble.controls.conflicts import combine_controls

            controls = combine_controls(ctx, controls, self.extra)
        with torch.no_grad(), self.watch.phase(stage, counts=False):
            return denoise(ctx, controls, report)
