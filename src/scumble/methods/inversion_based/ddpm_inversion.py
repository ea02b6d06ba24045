"""Edit-friendly DDPM inversion: keep the image's own noise, change its prompt (arXiv 2304.06140)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.footprint import Footprint
from scumble.methods.inversion_based.noise_edits import NoiseEdits
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.official import with_presets
from scumble.methods.placed import Placed

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.core.guidance import Guidance
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch

__all__ = ["DDPMInversion"]


class DDPMInversion(NoiseEdits, InversionFields, Placed):
    """Find the noise with which sampling reproduces the image exactly, then sample with another prompt.

    The noise can also move, mirror or recolor the image. Other seeds give other, equally valid edits.
    """

    paper: ClassVar[str] = "An Edit Friendly DDPM Noise Space, arXiv 2304.06140"
    tileable: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(path=3, each_its_own=True)

    prompt: str | tuple[str, ...] = ""
    """Text prompt: what the image should show. Left empty, only the edits of the noise change the image. With K
    prompts, candidate k uses prompt k mod K; all share one inversion."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Classifier-free guidance towards the prompt. Default: 3, or 15 as published for models of 256 px and more."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is not run again: larger stays closer to the image. Default: 0.2, or 0.36 as published
    for models of 256 px and more; at least 0.65 to shift or flip, 0.5 to color, because early steps fix the layout."""
    eta: float | None = Field(default=None, gt=0, le=1)
    """Noise of the steps. Default: 1."""
    solver: Literal["ddim", "dpmpp_2m_sde"] | None = None
    """Rule of the steps. Default: ddim; dpmpp_2m_sde is of second order, as in LEDITS++ (arXiv 2311.16711)."""
    keep_detail: bool = True
    """Where the schedule ends with a step without noise, add what that step misses of the image: its fine detail."""
    mode: Literal["parallel", "sequential"] = "parallel"
    """sequential: one network call after the other, as published; slower, the same result up to rounding."""
    compat: Literal["official"] | None = None
    """official: follow the published code: skip 0.36, guidance 15, the last noise zeroed (so not exact), ``eta v`` in
    place of ``eta^2 v``, and a flat color of strength 0.05 from 0.3 to 0.8."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, edit the noise if asked to, and sample with it and the target prompt."""
        from scumble.methods.defaults import is_large_model

        inversion = self.invert(batch, skip=self._skip(batch))
        pull = [] if self.color is None else [self.pull(batch, self.shades(batch), inversion.steps)]
        guidance = self.guidance(batch, inversion, 15.0 if is_large_model(batch.model) else 3.0)
        return self.replay(batch, inversion, [*pull, guidance])

    def invert(self, batch: EditBatch, **more: object) -> Inversion:
        """The inversion given or computed; the candidates of several prompts share it."""
        from scumble.methods.inversion_for import inversion_for

        settings = self.inversion_settings("edit-friendly", eta=self.eta, mode=self.mode, solver=self.solver, **more)
        return inversion_for(batch, settings, shared=self.variants > 1)

    def replay(self, batch: EditBatch, inversion: Inversion, controls: Sequence[Control]) -> Tensor | None:
        """Sample with the inversion's noise, moved as asked; what the map keeps stays on the image's path."""
        import torch

        from scumble.controls.stored_noise import StoredNoise

        moved = self.moved(batch, inversion)
        if inversion.first == inversion.steps and moved is inversion:
            return None
        keep = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
        if moved is not inversion:
            fixed = batch.latent_change() == 0
            keep = replace(keep, source=lambda ctx, i: torch.where(fixed, inversion(ctx, i), moved(ctx, i)))
        noise = StoredNoise(moved, offsets=self.keep_detail)
        return batch.denoise(inversion.levels, inversion.solver(batch.model), [keep, noise, *controls])

    def guidance(self, batch: EditBatch, inversion: Inversion, default: float) -> Guidance:
        """Guidance towards the prompts; without any, the same as during the inversion."""
        if not any((*self.prompts, self.negative_prompt, self.placed_words)):
            return batch.source_guidance(inversion.prompt, "", inversion.guidance_scale)
        scale = batch.use("guidance_scale", default) if self.guidance_scale is None else self.guidance_scale
        return self.target(batch, scale)

    def _skip(self, batch: EditBatch) -> float | None:
        if self.skip is not None or self.least_skip == 0:
            return self.skip
        given = batch.inversion
        return self.least_skip if given is None else max(self.least_skip, given.first / given.steps)
