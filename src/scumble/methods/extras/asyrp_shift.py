"""Trained directions of the bottleneck beside another method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from scumble.errors import InputError
from scumble.file_field import FileField
from scumble.methods.extras.extra import Extra

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.methods.batch import EditBatch

__all__ = ["AsyrpShift"]


class AsyrpShift(Extra):
    """Trained directions of the bottleneck (Asyrp); ``weight`` multiplies their strengths."""

    kind: ClassVar[str] = "shift"

    directions: Annotated[tuple[str, ...], FileField("direction")]
    """Names of bundled directions, or files of trained ones."""
    strengths: tuple[float, ...] = (1.0,)
    """Strength of each direction; one number applies to all."""
    t_edit: int | None = None
    """Lowest timestep at which they act. Default: as in training."""

    def controls(self, batch: EditBatch, prompt: str) -> list[Control]:
        """The asymmetric step; noise is not boosted."""
        from scumble.controls.asymmetric_step import AsymmetricStep
        from scumble.methods.asyrp.bundled import load_direction
        from scumble.methods.asyrp.joint_shift import joint_shift

        directions = [load_direction(path).to(batch.model.device) for path in self.directions]
        for direction, path in zip(directions, self.directions, strict=True):
            direction.fits(batch.model, path.rpartition("/")[2])
        strengths = self.strengths * len(directions) if len(self.strengths) == 1 else self.strengths
        if len(strengths) != len(directions):
            raise InputError(f"{len(directions)} directions were given, and {len(strengths)} strengths: one for each")
        t_edit = self.t_edit if self.t_edit is not None else max(d.about.t_edit for d in directions)
        scaled = [self.weight * s for s in strengths]

        def shift(h: Tensor, temb: Tensor | None, t: float) -> Tensor:
            trained = max(d.about.steps for d in directions)
            return joint_shift(directions, scaled, h, temb, t, trained)

        return [AsymmetricStep(shift, t_edit)] if self.weight else []
