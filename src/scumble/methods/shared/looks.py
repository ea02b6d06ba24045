"""What a look is taken from, and what looks at it: a target picture, and a vision transformer; both loaded once."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.images import fit, load_image, to_tensor
from scumble.methods.job import Job
from scumble.models.vision import VisionTower

__all__ = ["target_of", "tower_of"]


def tower_of(shared: dict[str, Any], name: str, device: torch.device) -> VisionTower:
    """The vision transformer of an edit.

    Raises:
        CheckpointError: If there is none of this name.
    """
    key = f"vision/{name}"
    if key not in shared:
        shared[key] = VisionTower.load(name, device)
    found: VisionTower = shared[key]
    return found


def target_of(job: Job, file: str) -> Tensor:
    """The target picture (1, 3, H, W) in [-1, 1] at the model's size."""
    if "target" not in job.shared:
        picture = load_image(file)
        place = fit(*picture.rgb.size, multiple=1, native=None)
        tensor = place.apply(to_tensor(picture.rgb)).to(job.model.device)
        job.shared["target"] = F.interpolate(tensor, job.size[::-1], mode="bilinear", antialias=True)
    found: Tensor = job.shared["target"]
    return found
