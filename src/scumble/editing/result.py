"""The result of an edit: images, recipe, cost, and lossless saving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from scumble.core.cost import Cost
from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS, refuse_overwriting
from scumble.images import Picture, save_image
from scumble.images.carried import Carried
from scumble.images.jpeg_blocks import kept_blocks
from scumble.records.map_inside import MAP_KEY, text_of_map
from scumble.records.metadata import embed
from scumble.records.recipe import Recipe

__all__ = ["Result"]


@dataclass(frozen=True)
class Result:
    """The outcome of one edit.

    Attributes:
        images: The candidates, in the order of their seeds (or of their rank, where the method ranks). Those of an
            edited picture are put together each time they are asked for.
        recipe: What made them.
        cost: What it took.
        notices: One-line remarks (what was resized, how much may change, …).
        reports: What the method reported for each candidate (scores, errors of arrival, …).
        source: The picture that was edited, or None.
        change_map: The change map at the picture's size (1 or B, 1, H, W), or None.
        frames: Pictures of the way there, where the method makes them, the source first.
        given_map: The change map before the method prepared it, or None.
    """

    images: Sequence[Image.Image]
    recipe: Recipe
    cost: Cost
    notices: list[str]
    reports: list[dict[str, Any]]
    source: Picture | None = None
    change_map: Tensor | None = None
    frames: Sequence[Image.Image] = ()
    given_map: Tensor | None = None

    def __repr__(self) -> str:
        """What it is in one line, without its pictures."""
        what = f"{self.recipe.method}, seed {self.recipe.seed}"
        return f"<Result: {len(self.images)} of {what}, {self.cost.network_calls} network calls>"

    @property
    def image(self) -> Image.Image:
        """The first candidate."""
        return self.images[0]

    @property
    def worked_at(self) -> tuple[int, int]:
        """(width, height) in pixels at which the model worked, in the largest of its windows."""
        sizes = [record.size for record in self.recipe.windows] or [self.recipe.size]
        return max(sizes, key=lambda size: size[0] * size[1])

    def recipe_of(self, index: int) -> Recipe:
        """The recipe of one candidate, with what the method reported for it.

        Args:
            index: Which one, from 0, in the order of ``images``.
        """
        report = self.reports[index] if index < len(self.reports) else {}
        return self.recipe.model_copy(update={"index": report.get("candidate", index), "report": report})

    def save(
        self,
        path: str | Path,
        *,
        metadata: bool = True,
        map_inside: bool = False,
        overwrite: bool = True,
        strip: bool = False,
        quality: int = 95,
    ) -> list[Path]:
        """Write the candidates: one to ``path``, several to ``name-0.png``, ``name-1.png``, ….

        What the edited file held (EXIF, XMP, profile, dots per inch) goes with them. A JPEG of an edited JPEG keeps
        every block that the map does not touch, where the package ``jpeglib`` is installed.

        Args:
            path: PNG carries its recipe inside; JPEG, WebP and TIFF get it as ``<name>.json`` beside them.
            metadata: False writes pictures without any recipe.
            map_inside: Put the change map in beside the recipe: then the picture that was edited is all that
                :func:`~scumble.redo` needs besides.
            overwrite: Whether files that are there may be replaced.
            strip: Leave out what the edited file held, but for its color profile.
            quality: Of a JPEG, 1 to 100.

        Returns:
            The files that were written. What a format could not hold is told in :attr:`notices`.

        Raises:
            InputError: If the folder does not exist, the extension is unknown, or a file would be lost; nothing is
                half-written.
        """
        target = Path(path)
        if not target.suffix:
            raise InputError(f"output {target.name!r} has no extension: use .png, .jpg, .webp or .tif")
        files = [target]
        if len(self.images) != 1:
            files = [target.with_name(f"{target.stem}-{k}{target.suffix}") for k in range(len(self.images))]
        if not overwrite:
            for file in files:
                refuse_overwriting(file, None if self.source is None else self.source.file)
        carried = Carried() if self.source is None else self.source.carried
        carried = carried.stripped() if strip else carried
        remarks: list[str] = []
        for index, (file, image) in enumerate(zip(files, self.images, strict=True)):
            texts = embed(self.recipe_of(index).model_dump(mode="json")) if metadata else None
            if texts is not None and map_inside and self.given_map is not None:
                texts[MAP_KEY] = text_of_map(self.given_map)
            jpeg = self._blocks(file, image, index, remarks)
            save_image(image, file, texts, quality, carried=carried, jpeg=jpeg, notices=remarks)
        left_out = carried.describe()
        new = [remark for remark in [*([left_out] if left_out else []), *remarks] if remark not in self.notices]
        self.notices.extend(dict.fromkeys(new))
        return files

    def _blocks(self, file: Path, image: Image.Image, index: int, remarks: list[str]) -> bytes | None:
        """The untouched blocks of an edited JPEG with the edit in them, where a JPEG is written from one."""
        if PICTURE_FORMATS.get(file.suffix.lower()) != "JPEG" or self.source is None or self.change_map is None:
            return None
        candidate = self.recipe_of(index).index
        change = self.change_map[candidate if self.change_map.shape[0] > 1 else 0, 0]
        changed = (change > 0).numpy()
        if self.source.carried.format == "JPEG" and self.source.file is not None and self.source.file.is_file():
            blocks = kept_blocks(
                image.convert("RGB"), self.source.file.read_bytes(), changed, self.source.carried.orientation
            )
            if blocks is not None:
                remarks.append(
                    "JPEG: all blocks that the map does not touch are unchanged"
                    f" ({100 * blocks[1]:.1f} % of the kept pixels are identical)"
                )
                return blocks[0]
        more = "" if find_spec("jpeglib") else ", or install scumble[jpeg] to keep untouched blocks exact"
        remarks.append(f"JPEG: kept pixels are stored slightly changed; use .png{more}")
        return None
