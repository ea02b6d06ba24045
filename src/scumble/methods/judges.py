"""Target image and vision transformer, loaded once per edit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.images import load_image, to_tensor
from scumble.methods.batch import EditBatch
from scumble.methods.cache import Cache, Key
from scumble.models.vision import VisionTower

__all__ = ["other_picture", "tower_of"]


def vision_key(name: str) -> Key[VisionTower]:
    """Where an edit keeps the vision transformer of this name."""
    return Key(f"vision/{name}", everywhere=True)


def picture_key(file: str) -> Key[Tensor]:
    """Where an edit keeps another picture, at the size of the edited one."""
    return Key(f"picture/{file}")


def tower_of(cache: Cache, name: str, device: torch.device) -> VisionTower:
    """The vision transformer of an edit.

    Raises:
        CheckpointError: If there is none of this name.
    """
    return cache.get_or_make(vision_key(name), lambda: VisionTower.load(name, device))


def other_picture(batch: EditBatch, file: str) -> Tensor:
    """Another picture (1, 3, H, W) in [-1, 1], brought to the size of the edited one."""

    def read() -> Tensor:
        pixels = to_tensor(load_image(file).rgb).to(batch.model.device)
        return F.interpolate(pixels, batch.size[::-1], mode="bilinear", antialias=True)

    return batch.cache.get_or_make(picture_key(file), read)
