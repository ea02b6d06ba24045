"""Runs that are compared with a source: an image's own path, or what the seed gives without guidance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.methods.base import FromSeed
from scumble.methods.footprint import Footprint
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.placed import Guided

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch
    from scumble.methods.source_run import SourceRun

__all__ = ["BesideSource"]

Trajectory = Literal["seed", "noised", "edit-friendly", "ddim"]


class BesideSource(FromSeed, InversionFields, Guided):
    """Fields for where the run starts and what it is compared with."""

    scene_wide: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(path=3)

    guidance_scale: float | None = Field(default=None, ge=0.01, le=100)
    """Classifier-free guidance towards the prompt. Default: 5 from a seed; 1 for images, which more leads off their
    own path."""
    trajectory: Trajectory | None = None
    """What the image is compared with at each level. noised: noised anew, as in the paper; edit-friendly, ddim: its
    inversion, from which the run starts; seed: no image, the source is generated. Default: ddim for images."""
    start: float = Field(default=1.0, gt=0, le=1)
    """For trajectory noised: how much noise the run starts with, 1 for pure noise."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps. Default: 1 for edit-friendly, else 0."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """Fixed-point iterations per level of a ddim inversion."""

    def source(self, batch: EditBatch, **more: object) -> SourceRun:
        """Return the run from the image, or from the seed if there is none.

        Args:
            batch: The batch.
            **more: Further settings of the inversion.
        """
        return self._from_picture(batch, **more) if _has_picture(batch) else self._from_seed(batch)

    def scale(self, batch: EditBatch) -> float:
        """The guidance of the run."""
        if self.guidance_scale is not None:
            return self.guidance_scale
        return batch.use("guidance_scale", 1.0 if _has_picture(batch) else 5.0)

    def _from_seed(self, batch: EditBatch) -> SourceRun:
        from scumble.methods.source_run import from_seed

        if self.trajectory not in (None, "seed"):
            raise InputError(f"trajectory {self.trajectory} needs a picture; without one use seed")
        if self.change_map is not None:
            raise InputError("a change map needs a picture: generate first, then edit the result with the map")
        steps, prompt = self.num_inference_steps or batch.default_steps, self.source_prompt or self.prompts[0]
        scale = self.scale(batch) if self.source_guidance_scale is None else self.source_guidance_scale
        return from_seed(batch, steps, self.eta or 0.0, prompt, self.negative_prompt, scale)

    def _from_picture(self, batch: EditBatch, **more: object) -> SourceRun:
        from scumble.methods.inversion_for import inversion_for
        from scumble.methods.source_run import along_inversion, from_noised

        if self.trajectory == "seed":
            raise InputError("trajectory seed makes its own source: use scumble generate (Editor.generate)")
        prompt = self.source_prompt or self.prompts[0]
        if self.trajectory == "noised":
            steps = self.num_inference_steps or batch.default_steps
            return from_noised(batch, steps, self.eta or 0.0, prompt, self.start)
        settings = self.inversion_settings(
            self.trajectory or (None if batch.inversion is not None else "ddim"),
            prompt=prompt if batch.inversion is None else self.source_prompt,
            eta=self.eta or None,
            iterations=self.inversion_iterations,
            **more,
        )
        run = along_inversion(batch, inversion_for(batch, settings, shared=True))
        return run if run.prompt else replace(run, prompt=prompt)


def _has_picture(batch: EditBatch) -> bool:
    return batch.image is not None or batch.inversion is not None
