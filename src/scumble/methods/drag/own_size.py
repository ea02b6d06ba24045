"""A warp at the image's own size, beside that at the model's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from scumble.methods.batch import EditBatch
from scumble.methods.drag.pulls import pull
from scumble.methods.drag.warp import warp

if TYPE_CHECKING:
    from scumble.methods.drag.warp_drag import WarpDrag

__all__ = ["warped_at_own_size"]


def warped_at_own_size(
    method: WarpDrag, batch: EditBatch
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]] | None:
    """Return the window's pixels (h, w, 3) pulled along the points, and where that uncovers something (h, w)."""
    if batch.pixels is None or batch.window is None:
        return None
    window = batch.window
    image = torch.from_numpy(batch.pixels / 127.5 - 1).float().permute(2, 0, 1)
    mask = None if batch.pixels_change is None else batch.pixels_change.amax((0, 1))
    full_size = replace(window, scaled=window.box_size, size=window.box_size)
    warped = warp(image, pull(image, mask, full_size, method.pairs(batch), method.edge, method.reach), mask)
    pixels = ((warped.image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy()), warped.uncovered.numpy()
