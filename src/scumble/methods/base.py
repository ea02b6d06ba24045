"""Bases of methods by what they do: edit an image, follow a prompt, generate, sample step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from scumble.core.polarity import Polarity
from scumble.methods.candidates import Candidates
from scumble.methods.method import Method
from scumble.methods.sampled import Sampled
from scumble.untrusted import name_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.images import MapSource

    MapInput = MapSource | Sequence[MapSource]
else:
    MapInput = Any  # its types need torch; what is given is checked when it is loaded

__all__ = ["Candidates", "FromSeed", "ImageMethod", "Method", "Prompted", "Sampled"]


class ImageMethod(Method):
    """A method that edits an image, and so takes a change map."""

    change_map: MapInput | None = Field(default=None, exclude=True, repr=False)
    """Strength per pixel: a file, image, array or number; white = change. None: everything may change."""
    polarity: Polarity = "white-changes"
    """Meaning of white in the change map; the papers' scripts use white-keeps."""
    feather: int | None = Field(default=None, ge=0, le=512)
    """Pixels over which the result fades into the untouched part, inside the changed region; 0: a hard edge. Default:
    one latent cell, less where the region is thin."""

    substeps: bool | None = None
    """Release cells within steps too: few steps then give as many strengths as many. Default: below 16 steps."""

    @property
    def feathered(self) -> int | None:
        """As given."""
        return self.feather

    @property
    def map_name(self) -> str:
        """Name of the map's file, or the number that it is."""
        if isinstance(self.change_map, int | float):
            return repr(float(self.change_map))
        return name_of(self.change_map) if isinstance(self.change_map, str | Path) else ""

    @property
    def divides_steps(self) -> bool | None:
        """``substeps``, and never where published code is reproduced."""
        return self.substeps if getattr(self, "compat", None) is None else False

    def prepare_map(self, change: Tensor) -> Tensor:
        """Return the change map (1 or B, 1, H, W) that the method works with, from the given one; both 1 = change."""
        return change


class Prompted(Method):
    """Fields of methods that follow a text prompt."""

    prompt: str = ""
    """Text prompt: what the image should show."""
    negative_prompt: str = ""
    """What the image should not show."""
    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance; 1 turns it off and halves the cost."""

    @property
    def words(self) -> str:
        """The prompt, or else the negative prompt."""
        return self.prompt or self.negative_prompt


class FromSeed(Method):
    """Fields of methods that can generate an image."""

    width: int | None = Field(default=None, ge=8, le=8192)
    """Width of a generated image in pixels. Default: the model's own."""
    height: int | None = Field(default=None, ge=8, le=8192)
    """Height of a generated image in pixels. Default: the model's own."""

    @property
    def output_size(self) -> tuple[int | None, int | None]:
        """As given."""
        return self.width, self.height
