"""Progressive mask shrinking: a thin mask starts wide, so that an object can form, and ends as given."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

__all__ = ["MaskSchedule", "default_dilations", "dilated", "is_thin"]

THIN_DILATIONS = 3
COARSE = 8
"""Smallest cell in pixels for which thin masks are widened: with cells of 4 pixels that gained nothing."""


def dilated(mask: Tensor, kernel: int) -> Tensor:
    """Return a boolean mask (B, 1, h, w) grown by a square of an odd side ``kernel``, in cells."""
    return F.max_pool2d(mask.float(), kernel, stride=1, padding=kernel // 2) > 0


def is_thin(mask: Tensor, cells: int = 2) -> bool:
    """Whether no square of more than ``cells`` x ``cells`` fits into the mask (B, 1, h, w)."""
    side = cells + 1
    if min(mask.shape[-2:]) < side:
        return bool(mask.any())
    fits = F.avg_pool2d(mask.double(), side, stride=1) >= 1
    return bool(mask.any()) and not bool(fits.any())


def default_dilations(mask: Tensor, factor: int) -> int:
    """Number of wider masks for a mask (B, 1, h, w) of cells of ``factor`` pixels: some where a sample's is thin."""
    return THIN_DILATIONS if factor >= COARSE and any(is_thin(one) for one in mask.split(1)) else 0


@dataclass(frozen=True)
class MaskSchedule:
    """The masks of a run, largest first, each for an equal share of its steps (arXiv 2206.02779 section 4.3).

    The published code divides otherwise and for many lengths never reaches its last masks; here every mask has its
    steps, and the drawn mask always has the last ones.

    Attributes:
        masks: Boolean masks (1 or B, 1, h, w), each contained in the one before; the last is the one drawn.
        first: First step of the run.
        steps: N, the step after the last.
    """

    masks: tuple[Tensor, ...]
    first: int
    steps: int

    @classmethod
    def shrinking(cls, mask: Tensor, dilations: int, first: int, steps: int) -> MaskSchedule:
        """Dilate by squares of side 3, 5, … (``dilations`` of them, at most one less than there are steps)."""
        count = max(min(dilations, steps - first - 1), 0)
        grown = tuple(dilated(mask, 3 + 2 * i) for i in reversed(range(count)))
        return cls((*grown, mask), first, steps)

    def __call__(self, index: int) -> Tensor:
        """Return the mask of step ``index``."""
        length, count = max(self.steps - self.first, 1), len(self.masks)
        return self.masks[min((index - self.first) * count // length, count - 1)]
