"""What a look is taken from, and what looks at it: a target picture, and a vision transformer; both loaded once."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.images import load_image, to_tensor
from scumble.methods.batch import EditBatch
from scumble.methods.once import once
from scumble.models.vision import VisionTower

__all__ = ["other_picture", "tower_of"]


def tower_of(shared: dict[str, Any], name: str, device: torch.device) -> VisionTower:
    """The vision transformer of an edit.

    Raises:
        CheckpointError: If there is none of this name.
    """
    return once(shared, f"vision/{name}", lambda: VisionTower.load(name, device))


def other_picture(batch: EditBatch, file: str) -> Tensor:
    """Another picture (1, 3, H, W) in [-1, 1], brought to the size of the edited one."""

    def read() -> Tensor:
        pixels = to_tensor(load_image(file).rgb).to(batch.model.device)
        return F.interpolate(pixels, batch.size[::-1], mode="bilinear", antialias=True)

    return once(batch.shared, f"picture/{file}", read)
