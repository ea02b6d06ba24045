"""A run with a source that is measured beside it: a picture's own path, or what the seed gives without wishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.core.schedule import Level
from scumble.errors import InputError
from scumble.methods.base import FromSeed
from scumble.methods.inversion_fields import InversionFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control, RunState
    from scumble.core.solvers import Solver
    from scumble.methods.batch import EditBatch

__all__ = ["BesideSource", "MeasuredSourceRun"]

Trajectory = Literal["seed", "noised", "edit-friendly", "ddim"]


@dataclass(frozen=True)
class MeasuredSourceRun:
    """A run, what holds it, and the picture beside it that it is compared with.

    Attributes:
        levels: Its N + 1 levels.
        solver: Its rule.
        prompt: What the source shows.
        controls: What leads the run, and the source where it is sampled beside it.
        trajectory: ``trajectory(ctx, i)`` is the source at the level of step i.
        nothing: No step is run; the picture stays.
    """

    levels: tuple[Level, ...]
    solver: Solver
    prompt: str
    controls: list[Control]
    trajectory: Callable[[RunState, int], Tensor]
    nothing: bool = False


class BesideSource(FromSeed, InversionFields):
    """Fields that say where the run begins and what it is compared with."""

    scene_wide: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True

    guidance_scale: float | None = Field(default=None, ge=0.01, le=100)
    """Classifier-free guidance towards the prompt; by default 5 from the seed, and 1 for pictures, which more would
    lead away from their own path."""
    trajectory: Trajectory | None = None
    """What the picture is compared with at each level: noised anew, as in the paper, or an inversion of it, from
    which the run then starts; seed: no picture, the source is made from the seed. By default ddim for pictures."""
    start: float = Field(default=1.0, gt=0, le=1)
    """Of a noised picture: how far back towards noise the run starts."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps; 1 for edit-friendly, else 0."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """Fixed-point iterations of each level of a ddim inversion."""

    def route(self, batch: EditBatch, compared: bool = True, **more: object) -> MeasuredSourceRun:
        """Return the run from the seed, or from the picture where there is one.

        Args:
            job: The batch.
            compared: Whether anything is compared with the source; else none is sampled beside the run.
            **more: Further settings of the inversion.
        """
        return self._from_picture(batch, **more) if _has_picture(batch) else self._from_seed(batch, compared)

    def scale(self, batch: EditBatch) -> float:
        """The guidance of the run."""
        if self.guidance_scale is not None:
            return self.guidance_scale
        return 1.0 if _has_picture(batch) else 5.0

    def _from_seed(self, batch: EditBatch, compared: bool) -> MeasuredSourceRun:
        from scumble.controls.source_branch import SourceBranch
        from scumble.core.solvers import Ddim

        if self.trajectory not in (None, "seed"):
            raise InputError(f"trajectory {self.trajectory} needs a picture; without one use seed")
        if self.change_map is not None:
            raise InputError("a change map needs a picture: generate first, then edit the result with the map")
        levels = batch.levels(self.num_inference_steps or batch.default_steps)
        said = self.source_prompt or self.prompts[0]
        scale = self.scale(batch) if self.source_guidance_scale is None else self.source_guidance_scale
        beside = SourceBranch(batch.guidance(said, self.negative_prompt, scale))
        return MeasuredSourceRun(levels, Ddim(eta=self.eta or 0.0), said, [beside] if compared else [], beside)

    def _from_picture(self, batch: EditBatch, **more: object) -> MeasuredSourceRun:
        from scumble.controls.change_map import NoisedSource, start_index
        from scumble.controls.stored_noise import StoredNoise
        from scumble.core.solvers import Ddim
        from scumble.methods.inversion_for import inversion_for

        if self.trajectory == "seed":
            raise InputError("trajectory seed makes its own source: use scumble generate (Editor.generate)")
        said = self.source_prompt or self.prompts[0]
        if self.trajectory == "noised":
            levels = batch.levels(self.num_inference_steps or batch.default_steps)
            steps = len(levels) - 1
            first = start_index(self.start, steps)
            source = NoisedSource(batch.x0)
            keep_outside_map = batch.keep_outside_map(steps, first, source)
            return MeasuredSourceRun(levels, Ddim(eta=self.eta or 0.0), said, [keep_outside_map], source)
        settings = self.inversion_settings(
            self.trajectory or (None if batch.inversion is not None else "ddim"),
            prompt=said if batch.inversion is None else self.source_prompt,
            eta=self.eta or None,
            iterations=self.inversion_iterations,
            **more,
        )
        found = inversion_for(batch, settings, shared=True)
        keep_outside_map = batch.keep_outside_map(found.steps, found.first, found)
        noise = StoredNoise(found, offsets=found.kind != "ddim")
        return MeasuredSourceRun(
            found.levels,
            found.solver(batch.model),
            found.prompt or said,
            [keep_outside_map, noise],
            lambda ctx, i: found.x_at(i),
            found.first == found.steps,
        )


def _has_picture(batch: EditBatch) -> bool:
    return batch.image is not None or batch.inversion is not None
