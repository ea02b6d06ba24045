"""Candidates that are put together when they are asked for: the picture, and what was changed in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from scumble.images import Box, Picture

__all__ = ["Composed", "Patch"]


@dataclass(frozen=True)
class Patch:
    """A part of a candidate.

    Attributes:
        box: Where it belongs.
        pixels: (h, w, 3).
    """

    box: Box
    pixels: npt.NDArray[np.uint8]


class Composed(Sequence[Image.Image]):
    """Pictures of one source that differ from it in their patches. Each is made anew every time it is asked for.

    Args:
        source: The picture.
        candidates: The patches of each, later ones over earlier ones.
        alphas: The transparency of all of them, or of each; none: the picture's.
    """

    def __init__(
        self, source: Picture, candidates: Sequence[Sequence[Patch]], alphas: Sequence[Image.Image] = ()
    ) -> None:
        self.source, self.candidates = source, [tuple(patches) for patches in candidates]
        self.alphas = list(alphas)

    def __len__(self) -> int:
        return len(self.candidates)

    @overload
    def __getitem__(self, index: int) -> Image.Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[Image.Image]: ...
    def __getitem__(self, index: int | slice) -> Image.Image | list[Image.Image]:
        """Put a candidate together."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        image = Image.fromarray(self.pixels(index))
        image.info = dict(self.source.rgb.info)
        if not self.alphas:
            return self.source.with_alpha(image)
        alpha = self.alphas[index if len(self.alphas) > 1 else 0]
        return replace(self.source, alpha=alpha).with_alpha(image)

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[k] for k in range(len(self)))

    def pixels(self, index: int, box: Box | None = None) -> npt.NDArray[np.uint8]:
        """The colors of a candidate (h, w, 3), or of a part of it."""
        left, top, right, bottom = box or (0, 0, *self.source.size)
        # cropping before converting to an array: photographs are large
        pixels = np.array(self.source.rgb.crop((left, top, right, bottom)) if box else self.source.rgb)
        for patch in self.candidates[index]:
            x0, y0, x1, y1 = patch.box
            a, b, c, d = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
            if a < c and b < d:
                pixels[b - top : d - top, a - left : c - left] = patch.pixels[b - y0 : d - y0, a - x0 : c - x0]
        return pixels

    def chosen(self, order: Sequence[int]) -> Composed:
        """Some of the candidates, in another order."""
        alphas = [self.alphas[k] for k in order] if len(self.alphas) > 1 else self.alphas
        return Composed(self.source, [self.candidates[k] for k in order], alphas)
