"""What a benchmark case is: its words, points and scenes as plain data, and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, field_validator

from scumble.errors import InputError
from scumble.untrusted import is_plain_name, printable
from scumble_lab.world import Scene

__all__ = ["Case", "Mask", "Sample"]

Mask = npt.NDArray[np.bool_]
"""(H, W) truth values."""


class Case(BaseModel):
    """One edit that is asked for, without its pictures; this is what a case's JSON file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str
    """Name of the case; results are filed under it."""
    task: str
    """What kind of edit it is."""
    instruction: str = ""
    """The task in words."""
    source_prompt: str = ""
    """What the source picture shows."""
    prompt: str = ""
    """What the edited image should show."""
    points: tuple[tuple[float, float, float, float], ...] = ()
    """Handles and targets, x, y, x, y in pixels; the centre of the first pixel is 0, 0."""
    item: int | None = None
    """Which object of the scenes is edited: its index after the edit, or before it where it is removed."""
    attribute: str | None = None
    """Which of its attributes (shape, color, material, size), or floor or sky."""
    word: str | None = None
    """The new value of the attribute."""
    old_word: str | None = None
    """The value it had."""
    blend_words: tuple[str, ...] = ()
    """The words of the source's and the new prompt that differ, where the benchmark names them."""
    pan: tuple[float, float] | None = None
    """How far the picture slides over the scene, right and down in picture widths."""
    before: dict[str, Any] | None = None
    """The scene of the source, where it is known."""
    after: dict[str, Any] | None = None
    """The scene of the true result."""

    @field_validator("id")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not is_plain_name(name):
            raise ValueError(f"{printable(name[:80])!r} is no plain name, and results are filed under it")
        return name

    @property
    def scenes(self) -> tuple[Scene, Scene]:
        """The scenes of the source picture and of the true result.

        Raises:
            InputError: If they are not known.
        """
        before, after = self.scene_before, self.scene_after
        if before is None or after is None:
            raise InputError(f"case {self.id} has no true scenes")
        return before, after

    @property
    def edited(self) -> int:
        """Index of the edited object.

        Raises:
            InputError: If it edits none.
        """
        if self.item is None:
            raise InputError(f"case {self.id} edits no single object")
        return self.item

    @property
    def names_its_thing(self) -> bool:
        """Whether the source has one thing only of the edited one's shape: then its word means it."""
        before = self.scene_before
        if before is None or self.item is None or self.item >= len(before.objects):
            return False
        shapes = [item.shape for item in before.objects]
        return shapes.count(shapes[self.item]) == 1

    @property
    def scene_before(self) -> Scene | None:
        """The scene of the source picture."""
        return None if self.before is None else Scene.from_dict(self.before)

    @property
    def scene_after(self) -> Scene | None:
        """The scene of the true result."""
        return None if self.after is None else Scene.from_dict(self.after)


@dataclass(frozen=True)
class Sample:
    """A case with its pictures, all of one size.

    Attributes:
        case: What is asked for.
        source: The picture to be edited.
        target: The true result, where there is one.
        change: Where the true result differs visibly from the source, where it is known.
        region: What a user would paint for the edit: where it may change things. None: everywhere.
    """

    case: Case
    source: Image.Image
    target: Image.Image | None = None
    change: Mask | None = None
    region: Mask | None = None

    @property
    def truth(self) -> Image.Image:
        """The true result.

        Raises:
            InputError: If there is none.
        """
        if self.target is None:
            raise InputError(f"case {self.case.id} has no true result")
        return self.target

    @property
    def area(self) -> Mask:
        """The region, everything where there is none (H, W)."""
        return np.ones((self.source.height, self.source.width), bool) if self.region is None else self.region
