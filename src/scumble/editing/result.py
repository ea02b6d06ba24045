"""What an edit gives back: pictures, recipe, cost, and the way to save them without losing any of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from scumble.core.cost import Cost
from scumble.errors import InputError
from scumble.images import Picture, save_image
from scumble.records.metadata import embed
from scumble.records.recipe import Recipe

__all__ = ["Result"]


@dataclass(frozen=True)
class Result:
    """The outcome of one edit.

    Attributes:
        images: The candidates, in the order of their seeds (or of their rank, where the method ranks).
        recipe: What made them.
        cost: What it took.
        notices: One-line remarks (what was resized, how much may change, …).
        reports: What the method reported for each candidate (scores, errors of arrival, …).
        source: The picture that was edited, or None.
        change_map: The change map at the picture's size (1 or B, 1, H, W), or None.
        frames: Pictures of the way there, where the method makes them, the source first.
    """

    images: list[Image.Image]
    recipe: Recipe
    cost: Cost
    notices: list[str]
    reports: list[dict[str, Any]]
    source: Picture | None = None
    change_map: Tensor | None = None
    frames: Sequence[Image.Image] = ()

    @property
    def image(self) -> Image.Image:
        """The first candidate."""
        return self.images[0]

    def recipe_of(self, index: int) -> Recipe:
        """The recipe of one candidate."""
        report = self.reports[index] if index < len(self.reports) else {}
        return self.recipe.model_copy(update={"index": report.get("candidate", index), "report": report})

    def save(self, path: str | Path, *, metadata: bool = True) -> list[Path]:
        """Write the candidates: one to ``path``, several to ``name-0.png``, ``name-1.png``, ….

        Args:
            path: PNG carries its recipe inside; JPEG and WebP get it as ``<name>.json`` beside them.
            metadata: False writes pictures without any recipe.

        Returns:
            The files that were written.

        Raises:
            InputError: If the folder does not exist or the extension is unknown; nothing is half-written.
        """
        target = Path(path)
        if not target.suffix:
            raise InputError(f"output {target.name!r} has no extension: use .png, .jpg or .webp")
        written = []
        for index, image in enumerate(self.images):
            own = target if len(self.images) == 1 else target.with_name(f"{target.stem}-{index}{target.suffix}")
            save_image(image, own, embed(self.recipe_of(index).model_dump(mode="json")) if metadata else None)
            written.append(own)
        return written
