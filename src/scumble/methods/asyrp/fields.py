"""Settings of Asyrp: directions with their strengths, and the steps at which they act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.file_field import FileField
from scumble.inversion.settings import InversionStart
from scumble.methods.base import ImageMethod
from scumble.methods.cache import Key

if TYPE_CHECKING:
    from scumble.methods.asyrp.direction import Direction
    from scumble.methods.batch import EditBatch

__all__ = ["AsyrpFields"]


class AsyrpFields(ImageMethod):
    """Fields of Asyrp (arXiv 2210.10960)."""

    directions: Annotated[tuple[str, ...], FileField("direction")] = ()
    """Names of bundled directions, or files of trained ones; several act together."""
    strengths: tuple[float, ...] = (1.0,)
    """Strength of each direction; negative reverses it. One number applies to all."""
    prompt: str = ""
    """Text prompt for text-to-image models: what stays in the image. Words for what a direction changes oppose it."""
    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    """Steps N. Default: as in training; of several directions the most."""
    t_edit: int | None = Field(default=None, ge=0, le=10000)
    """Lowest timestep at which the shift acts. Default: as in training; of several directions the highest."""
    t_boost: int | None = Field(default=None, ge=0, le=10000)
    """Timestep below which noise is added at each step; 0: nowhere. Default: as in training."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """Fixed-point iterations per level of the inversion."""
    inversion_start: InversionStart = "warm"
    """First guess for each level of the inversion: warm is more exact at the same cost, same as published."""
    compat: Literal["official"] | None = None
    """official: follow the published code: levels spread evenly over the timesteps, both ends included, with the image
    at timestep 0; inversion at the current level; predictions are never clipped."""

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
