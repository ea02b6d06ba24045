"""Asyrp: attributes as shifts of the bottleneck, in steps whose two halves differ (arXiv 2210.10960)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from scumble.inversion.settings import InversionSettings
from scumble.methods.asyrp.fields import AsyrpFields
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch

__all__ = ["Asyrp"]


class Asyrp(AsyrpFields):
    """Change an attribute by a trained direction, with a strength that may also be negative.

    scumble train asyrp makes directions. Works with pixel models and with text-to-image models.
    """

    paper: ClassVar[str] = "Asyrp, arXiv 2210.10960"
    scene_wide: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True
    takes_inversion: ClassVar[bool] = True

    def draws_nothing(self, batch: EditBatch) -> bool:
        """A path and back without noise, where none is added near the end; a given path holds its noise."""
        given = batch.inversion is not None and batch.inversion.kind != "ddim"
        return given or self.settled(batch)[4] == 0

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert without noise, then sample with the asymmetric step."""
        from scumble.controls.asymmetric_step import AsymmetricStep
        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.asyrp.joint_shift import shift_of
        from scumble.methods.asyrp.solver import BoostedDdim

        directions, strengths, steps, t_edit, t_boost = self.settled(batch)
        guidance = batch.guidance(self.prompt, "", 1.0)
        inversion = self._inversion(batch, steps)
        steps = inversion.steps
        acting = AsymmetricStep(shift_of(directions, strengths, steps), t_edit, guidance)
        controls: list[Control] = [batch.keep_outside_map(steps, inversion.first, inversion)]
        if inversion.kind == "ddim":
            solver = BoostedDdim(t_boost)
            controls += [StoredNoise(inversion, offsets=False)]
            return batch.denoise(inversion.levels, solver, [*controls, guidance, acting])
        # Stored noise is that of the inversion's own steps: boosting is off.
        controls += [StoredNoise(inversion), guidance, acting]
        return batch.denoise(inversion.levels, inversion.solver(batch.model), controls)

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
