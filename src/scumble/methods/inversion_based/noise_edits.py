"""Edits of an inversion's noise: move, mirror or recolor the image (arXiv 2304.06140 section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PIL import ImageColor
from pydantic import AliasChoices, Field, field_validator

from scumble.methods.base import ImageMethod

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.inversion_based.color_pull import ColorPull

__all__ = ["NoiseEdits"]


class NoiseEdits(ImageMethod):
    """Fields of edits that act on the noise alone, whatever the prompt."""

    shift: tuple[int, int] = (0, 0)
    """Move the image right and down, in pixels of the model's size; rounded to whole latent cells."""
    exposed: Literal["roll", "fresh"] = "roll"
    """What fills the area that a shift uncovers: the opposite side of the image (roll), or new content (fresh)."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """Mirror the image."""
    color: str | None = Field(default=None, validation_alias=AliasChoices("color", "colour"))
    """Color in whose shades the changed region is drawn, such as ``red`` or ``#8b4513``."""
    color_strength: float | None = Field(
        default=None, ge=-10, le=10, validation_alias=AliasChoices("color_strength", "colour_strength")
    )
    """How strongly to pull towards the color; negative pulls away from it. Default: 3."""
    color_steps: tuple[float, float] | None = Field(
        default=None, validation_alias=AliasChoices("color_steps", "colour_steps")
    )
    """Part of the run in which the color acts, as shares of all steps. Default: 0.3 to 1."""

    @field_validator("color")
    @classmethod
    def _known_color(cls, color: str | None) -> str | None:
        if color is not None:
            ImageColor.getrgb(color)
        return color

    @property
    def least_skip(self) -> float:
        """Share of the steps that these edits leave out: the noise of early steps fixes layout and colors."""
        if self.shift != (0, 0) or self.flip != "none":
            return 0.65
        return 0.5 if self.color is not None else 0.0

    def moved(self, batch: EditBatch, inversion: Inversion) -> Inversion:
        """The inversion mirrored and shifted; the same object where neither is asked for."""
        from scumble.inversion.transforms import flipped, shifted

        cell = batch.model.factor
        dx, dy = (round(pixels / cell) for pixels in self.shift)
        if (dx * cell, dy * cell) != self.shift:
            batch.notices.append(f"the shift was rounded to {dx * cell}, {dy * cell} pixels")
        if self.flip != "none":
            inversion = flipped(inversion, self.flip)
        if dx == dy == 0:
            return inversion

        def draw(stream: str, step: int) -> Tensor:
            return batch.noise.normal(batch.shape, stream, step).to(batch.model.device)

        return shifted(inversion, dx, dy, draw if self.exposed == "fresh" else None)

    def shades(self, batch: EditBatch) -> Tensor:
        """The image (1, 3, H, W) in shades of the color, its lights and shadows kept."""
        import torch

        from scumble.images.color import tinted

        whole = torch.ones_like(batch.picture[:, :1])
        region = whole if batch.change is None else batch.change.mean(0, keepdim=True)
        return tinted(batch.picture, self.rgb(batch), region)

    def rgb(self, batch: EditBatch) -> Tensor:
        """The color (3,) in [-1, 1]."""
        import torch

        return torch.tensor(ImageColor.getrgb(self.color or "")[:3], device=batch.model.device) / 127.5 - 1

    def pull(
        self, batch: EditBatch, target: Tensor, steps: int, strength: float = 3.0, part: tuple[float, float] = (0.3, 1)
    ) -> ColorPull:
        """The control that pulls the changed region towards an image (1, 3, H, W).

        Args:
            batch: The batch.
            target: The image.
            steps: N.
            strength: Default of ``color_strength``.
            part: Default of ``color_steps``.
        """
        import torch

        from scumble.methods.inversion_based.color_pull import ColorPull

        with torch.no_grad():
            encoded = batch.model.encode(target)
        begin, end = (round(share * steps) for share in self.color_steps or part)
        chosen = strength if self.color_strength is None else self.color_strength
        return ColorPull(batch.latent_change(), encoded, chosen, begin, end)
