"""Edit-friendly DDPM inversion: the picture's own noise kept, its words changed (arXiv 2304.06140)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from PIL import ImageColor
from pydantic import Field, field_validator

from scumble.methods.inversion_fields import InversionFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.core.guidance import Guidance
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.inversion_based.color_pull import ColorPull

__all__ = ["DDPMInversion"]


class DDPMInversion(InversionFields):
    """Find the noise with which sampling gives the picture back exactly, then sample with other words.

    The noise also moves, mirrors or recolours the picture. Other seeds give other, equally valid edits.
    """

    paper: ClassVar[str] = "An Edit Friendly DDPM Noise Space, arXiv 2304.06140"

    prompt: str | tuple[str, ...] = ""
    """What the picture shall show; empty: its own words at their own guidance, so that only noise edits change it.
    With K prompts candidate k shows prompt k mod K, all from one inversion."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Classifier-free guidance towards the prompt; 3, or 15 as published for models of 256 px and more."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is not run again: larger stays closer to the picture. 0.2, or 0.36 as published for
    models of 256 px and more; at least 0.65 to shift or flip, 0.5 to colour, for early steps see where things are."""
    eta: float | None = Field(default=None, gt=0, le=1)
    """Noise of the steps; 1."""
    shift: tuple[int, int] = (0, 0)
    """Move the picture right and down by so many pixels of the model's size (whole cells)."""
    exposed: Literal["roll", "fresh"] = "roll"
    """What comes in where the picture moves away: its other side, or something new."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """Mirror the picture."""
    colour: str | None = None
    """Colour in whose shades the changed region is drawn, such as ``red`` or ``#8b4513``."""
    colour_strength: float | None = Field(default=None, ge=-10, le=10)
    """How strongly; negative draws away from the colour. 3, or 0.05 as published."""
    colour_steps: tuple[float, float] | None = None
    """From where to where in the run the colour acts, as shares of all steps; 0.3 to 1, or 0.3 to 0.8 as published."""
    keep_detail: bool = True
    """Where a schedule ends with a step without noise: add what that step missed of the picture, its fine detail."""
    mode: Literal["parallel", "sequential"] = "parallel"
    """sequential: one network call after the other, as published; slower, the same up to rounding."""
    compat: Literal["official"] | None = None
    """official: as published, that is skip 0.36, guidance 15, the last noise zeroed (so not exact), ``eta v`` for
    ``eta^2 v``, a flat colour drawn weakly."""

    @field_validator("colour")
    @classmethod
    def _known_color(cls, colour: str | None) -> str | None:
        if colour is not None:
            ImageColor.getrgb(colour)
        return colour

    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, transform the noise if asked to, and sample with it under the target's words."""
        import torch

        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.inversion_for import inversion_for

        fixed = {"skip": self._skip(batch), "eta": self.eta, "mode": self.mode, "compat": self.compat}
        inversion = inversion_for(batch, self.inversion_settings("edit-friendly", **fixed), shared=self.variants > 1)
        moved = self._moved(batch, inversion)
        if inversion.first == inversion.steps and moved is inversion:
            return None
        keep_outside_map = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
        if moved is not inversion:
            kept = batch.latent_change() == 0
            keep_outside_map = replace(
                keep_outside_map, source=lambda ctx, i: torch.where(kept, inversion(ctx, i), moved(ctx, i))
            )
        controls: list[Control] = [keep_outside_map, StoredNoise(moved, offsets=self.keep_detail)]
        if self.colour is not None:
            controls.append(self._pull(batch, inversion, self.colour))
        controls.append(self._words(batch, inversion))
        return batch.denoise(inversion.levels, inversion.solver(batch.model), controls)

    def _moved(self, batch: EditBatch, inversion: Inversion) -> Inversion:
        from scumble.inversion.transforms import flipped, shifted

        dx, dy = (round(pixels / batch.model.factor) for pixels in self.shift)
        if any(pixels % batch.model.factor for pixels in self.shift):
            batch.notices.append(
                f"the shift was rounded to {dx * batch.model.factor}, {dy * batch.model.factor} pixels"
            )
        if self.flip != "none":
            inversion = flipped(inversion, self.flip)
        if dx == dy == 0:
            return inversion
        device = batch.model.device

        def draw(stream: str, step: int) -> Tensor:
            return batch.noise.normal(batch.shape, stream, step).to(device)

        return shifted(inversion, dx, dy, draw if self.exposed == "fresh" else None)

    def _skip(self, batch: EditBatch) -> float | None:
        """The noise of early steps is not trusted to say where and in which colour: noise edits leave them out."""
        moving = self.shift != (0, 0) or self.flip != "none"
        least = 0.65 if moving else 0.5 if self.colour is not None else 0.0
        if self.skip is not None or least == 0 or self.compat == "official":
            return self.skip
        given = batch.inversion
        return least if given is None else max(least, given.first / given.steps)

    def _words(self, batch: EditBatch, inversion: Inversion) -> Guidance:
        from scumble.methods.defaults import is_large_model

        if not any((*self.prompts, self.negative_prompt)):
            return batch.guidance(inversion.prompt, "", inversion.guidance_scale)
        usual = 15.0 if self.compat == "official" or is_large_model(batch.model) else 3.0
        return self.target(batch, usual if self.guidance_scale is None else self.guidance_scale)

    def _pull(self, batch: EditBatch, inversion: Inversion, colour: str) -> ColorPull:
        import torch

        from scumble.images.color import tinted
        from scumble.methods.inversion_based.color_pull import ColorPull

        official = self.compat == "official"
        rgb = torch.tensor(ImageColor.getrgb(colour)[:3], device=batch.model.device) / 127.5 - 1
        region = torch.ones_like(batch.picture[:, :1]) if batch.change is None else batch.change.mean(0, keepdim=True)
        map_ = rgb.reshape(1, 3, 1, 1).expand_as(batch.picture) if official else tinted(batch.picture, rgb, region)
        with torch.no_grad():
            target = batch.model.encode(map_)
        strength = (0.05 if official else 3.0) if self.colour_strength is None else self.colour_strength
        begin, end = (round(s * inversion.steps) for s in self.colour_steps or (0.3, 0.8 if official else 1.0))
        return ColorPull(batch.latent_change(), target, strength, begin, end)
