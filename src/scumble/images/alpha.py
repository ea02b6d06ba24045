"""Transparency of an image where an edit may change it."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

__all__ = ["filled_alpha", "is_see_through"]

OPAQUE = 255


def filled_alpha(alpha: Image.Image, strength: Tensor) -> Image.Image:
    """Return a transparency that is filled as far as the map is strong: opaque where it is 1, its bytes where it is 0.

    Args:
        alpha: 8 bits, grey.
        strength: (H, W) in [0, 1].
    """
    before = np.asarray(alpha)
    values = strength.detach().cpu().numpy()
    after = np.rint(before + (OPAQUE - before.astype(np.float32)) * values).astype(np.uint8)
    return Image.fromarray(np.where(values > 0, after, before))


def is_see_through(alpha: Image.Image, strength: Tensor | None = None) -> bool:
    """Whether a picture is transparent anywhere, or anywhere where the map (H, W) is above 0."""
    holes = np.asarray(alpha) < OPAQUE
    return bool(holes.any() if strength is None else (holes & (strength.detach().cpu().numpy() > 0)).any())
