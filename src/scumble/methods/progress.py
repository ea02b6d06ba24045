"""Progress of an edit, as a user's callback gets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from scumble.images import Window

__all__ = ["Progress", "Stage"]

Stage = Literal["prepare", "invert", "train", "optimize", "sample", "decode", "measure"]


@dataclass(frozen=True)
class Progress:
    """The progress of an edit, given to callbacks after each step of every phase.

    Attributes:
        step: Steps done in this run, from 1.
        steps: Steps of this run.
        samples: Which candidates are being made (first, last + 1).
        x0: The current prediction of the clean result, in the model's space (B, C, h, w).
        decode: Decodes ``x0`` on request to (B, 3, H, W) in [-1, 1], of the window alone.
        quick: Gives colors of ``x0`` (B, 3, h, w) without the decoder, one for each cell, or by a small decoder made
            for previews those of the picture's size; None: there is no such way.
        cell: Pixels of a cell along a side.
        window: The part of the picture that is being made, or None.
        part: Which of how many windows it is (from 0, total).
        stage: The phase that ``step`` and ``steps`` belong to; in ``sample`` they are steps of the sampler, in others
            network calls or updates (``steps`` is then the most there may be).
    """

    step: int
    steps: int
    samples: tuple[int, int]
    x0: Tensor
    decode: Callable[[], Tensor]
    quick: Callable[[], Tensor] | None = None
    cell: int = 1
    window: Window | None = None
    part: tuple[int, int] = (0, 1)
    stage: Stage = "sample"

    def preview(self, index: int = 0, *, full: bool = False) -> Image.Image:
        """Return how a candidate of this batch looks now, the window alone.

        Args:
            index: Which candidate, from 0.
            full: Run the decoder; else its colors are guessed from the latent, at about a hundredth of the time.
        """
        from PIL import Image

        from scumble.images import to_image

        if full or self.quick is None:
            return to_image(self.decode()[index : index + 1].detach())[0]
        quick = to_image(self.quick()[index : index + 1].detach())[0]
        size = (self.x0.shape[-1] * self.cell, self.x0.shape[-2] * self.cell)
        return quick if quick.size == size else quick.resize(size, Image.Resampling.BICUBIC)
