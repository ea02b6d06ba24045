"""Extra guidance by the predicted image: a color in a region, a text that CLIP should see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from PIL import ImageColor
from pydantic import AliasChoices, Field, field_serializer

from scumble.energies.protocol import ActiveDuring, Place, WeightedEnergy
from scumble.file_field import FileField
from scumble.hashing import tensor_sha256
from scumble.methods.clip_scorer import scorer_of
from scumble.methods.extras.extra import Extra, per_cell

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["ClipTarget", "ColorTarget"]


class ColorTarget(Extra):
    """A color inside a mask."""

    kind: ClassVar[str] = "paint"

    color: str = Field(validation_alias=AliasChoices("color", "colour"))
    """A name or hex code, such as red or #8b4513."""
    mask: Annotated[Any, FileField("map")] = None
    """Region: a file, image or array; white = inside. None: wherever the image may change."""
    place: Place = "eps"
    """Part of the step that it acts on."""

    @field_serializer("mask")
    def _recorded(self, given: Any) -> Any:
        """A file by its name, a number as it is, anything else by its hash: that is not in a recipe."""
        import torch

        if given is None or isinstance(given, int | float | str | Path):
            return str(given) if isinstance(given, Path) else given
        return f"mask-{tensor_sha256(torch.as_tensor(np.asarray(given)))[:12]}.png"

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """The mean color of the region."""
        from scumble.energies.picture import Color
        from scumble.images import load_map

        red, green, blue = (part / 127.5 - 1 for part in ImageColor.getrgb(self.color)[:3])
        mask = batch.change if self.mask is None else load_map(self.mask, batch.size)[0].to(batch.model.device)
        weight = self.weight * per_cell(batch, 40.0)
        return [WeightedEnergy(Color((red, green, blue), mask), weight, self.place, ActiveDuring(self.begin, self.end))]


class ClipTarget(Extra):
    """Text that CLIP should see in the image."""

    kind: ClassVar[str] = "say"

    text: str
    """The text."""
    clip: Annotated[str, FileField("model")] = "clip"
    """CLIP: clip (bundled), a transformers folder, or a hub id."""
    copies: int = Field(default=4, ge=1, le=64)
    """Number of views that CLIP sees."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """Distance of the predicted image to the text."""
        from scumble.energies.clip import ClipNearness

        scorer = scorer_of(batch.cache, self.clip, batch.model.device)
        energy = ClipNearness(scorer, scorer.text_features([self.text]), self.copies)
        return [WeightedEnergy(energy, self.weight * per_cell(batch, 8.0), steps=ActiveDuring(self.begin, self.end))]
