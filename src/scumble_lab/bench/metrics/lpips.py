"""LPIPS (arXiv 1801.03924) by torchmetrics, where it is installed with its networks; nothing here depends on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from scumble.errors import CheckpointError, nearest
from scumble.images import to_tensor

__all__ = ["NETWORKS", "load_lpips"]

NETWORKS = ("alex", "vgg", "squeeze")
"""Backbones; their figures do not compare. PIE-Bench takes squeeze, DragBench alex."""


def load_lpips(network: str, device: torch.device | str = "cpu") -> Callable[[Image.Image, Image.Image], float]:
    """Return the distance of two pictures of one size, 0 for equal ones.

    Raises:
        CheckpointError: for an unknown network, or if torchmetrics, torchvision or the weights are missing.
    """
    if network not in NETWORKS:
        raise CheckpointError(f"unknown network {network!r}{nearest(network, NETWORKS)}; known: {', '.join(NETWORKS)}")
    try:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        measure: Any = LearnedPerceptualImagePatchSimilarity(net_type=network).to(device)  # type: ignore[arg-type]
    except ImportError as error:
        raise CheckpointError("it needs torchmetrics and torchvision: pip install torchmetrics torchvision") from error
    except Exception as error:  # torchvision fetches the backbone, which fails in any way without a connection
        first = (str(error).splitlines() or [""])[0]
        raise CheckpointError(
            f"torchvision, which fetches weights that are missing, could not load its {network} network: {first}"
        ) from error

    @torch.no_grad()
    def distance(one: Image.Image, two: Image.Image) -> float:
        measure.reset()
        return float(measure(to_tensor(one).to(device), to_tensor(two).to(device)))

    return distance
