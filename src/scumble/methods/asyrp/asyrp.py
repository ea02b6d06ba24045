"""Asyrp: attributes as shifts of the bottleneck, in steps whose two halves differ (arXiv 2210.10960)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.file_field import FileField
from scumble.inversion.settings import InversionSettings, InversionStart
from scumble.methods.base import ImageMethod
from scumble.methods.cache import Key
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.controls.asymmetric_step import AsyrpShift
    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.asyrp.direction import Direction
    from scumble.methods.batch import EditBatch

__all__ = ["Asyrp", "shift_of"]


class Asyrp(ImageMethod):
    """Change an attribute by a trained direction, with a strength that may also be negative.

    Make directions with scumble train asyrp. Works with pixel models and with text-to-image models.
    """

    paper: ClassVar[str] = "Asyrp, arXiv 2210.10960"
    scene_wide: ClassVar[bool] = True
    takes_inversion: ClassVar[bool] = True

    directions: Annotated[tuple[str, ...], FileField("direction")] = ()
    """Names of directions that come with the package, or files of trained ones; several act together."""
    strengths: tuple[float, ...] = (1.0,)
    """How strongly each acts; negative turns it round. One number stands for all."""
    prompt: str = ""
    """What stays in the picture, for text-to-image models; words for what a direction changes hold on to it."""
    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    """Steps N; by default as many as the direction was trained with, of several the most."""
    t_edit: int | None = Field(default=None, ge=0, le=10000)
    """The shift acts at timesteps from here on; by default as trained, for several that of the least different one."""
    t_boost: int | None = Field(default=None, ge=0, le=10000)
    """Below this timestep noise is added at each step; 0: nowhere; by default as trained."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """Fixed-point iterations of each level of the inversion."""
    inversion_start: InversionStart = "warm"
    """Where the inversion looks for each level first: warm is more exact for the same cost, same as published."""
    compat: Literal["official"] | None = None
    """official: the published code's levels (evenly spread over the timesteps, 0 and the last included, the picture
    taken to be at timestep 0), its inversion at the current level, and predictions that are never clipped."""

    def load(self, batch: EditBatch) -> list[Direction]:
        """Read the directions, once per edit."""
        from scumble.methods.asyrp.bundled import load_direction

        def load(path: str) -> Direction:
            direction = load_direction(path).to(batch.model.device)
            direction.fits(batch.model, path.rpartition("/")[2])
            return direction

        key: Key[list[Direction]] = Key(f"directions/{self.directions}", everywhere=True)
        return batch.cache.get_or_make(key, lambda: [load(path) for path in self.directions])

    def settled(self, batch: EditBatch) -> tuple[list[Direction], tuple[float, ...], int, int, int]:
        """Directions, one strength for each, N, t_edit and t_boost."""
        directions = self.load(batch)
        if not directions:
            raise InputError("no direction was given: name one with --directions; scumble train asyrp makes one")
        strengths = self.strengths * len(directions) if len(self.strengths) == 1 else self.strengths
        if len(strengths) != len(directions):
            raise InputError(f"{len(directions)} directions were given, and {len(strengths)} strengths: one for each")
        t_edit = self.t_edit if self.t_edit is not None else max(d.about.t_edit for d in directions)
        t_boost = self.t_boost if self.t_boost is not None else min(d.about.t_boost for d in directions)
        steps = self.num_inference_steps or max(d.about.steps for d in directions)
        for name, value in (("t_edit", t_edit), ("t_boost", t_boost), ("num_inference_steps", steps)):
            batch.use(name, value)
        return directions, strengths, steps, t_edit, t_boost

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert without noise, then sample with the asymmetric step."""
        from scumble.controls.asymmetric_step import AsymmetricStep
        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.asyrp.solver import BoostedDdim

        directions, strengths, steps, t_edit, t_boost = self.settled(batch)
        guidance = batch.guidance(self.prompt, "", 1.0)
        found = self._inversion(batch, steps)
        steps = found.steps
        acting = AsymmetricStep(shift_of(directions, strengths, steps), t_edit, guidance)
        controls: list[Control] = [batch.keep_outside_map(steps, found.first, found)]
        if found.kind == "ddim":
            solver = BoostedDdim(t_boost)
            controls += [StoredNoise(found, offsets=False)]
            return batch.denoise(found.levels, solver, [*controls, guidance, acting])
        # Stored noise is that of the inversion's own steps: boosting is off.
        controls += [StoredNoise(found), guidance, acting]
        return batch.denoise(found.levels, found.solver(batch.model), controls)

    def _inversion(self, batch: EditBatch, steps: int) -> Inversion:
        from scumble.methods.inversion_for import inversion_for

        given = batch.inversion is not None
        settings = InversionSettings(
            kind=None if given else "ddim",
            num_inference_steps=None if given else steps,
            prompt=self.prompt or None,
            iterations=self.inversion_iterations,
            inversion_start=self.inversion_start,
        )
        return inversion_for(batch, settings, shared=True)


def shift_of(directions: list[Direction], strengths: tuple[float, ...], steps: int) -> AsyrpShift:
    """The shift of the bottleneck by all directions together."""
    from scumble.methods.asyrp.direction import joint_shift

    return lambda h, temb, t: joint_shift(directions, strengths, h, temb, t, steps)
