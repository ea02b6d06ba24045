"""Shared parts of map makers: the size, reading a map as strengths, writing strengths as a gray image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from scumble.errors import InputError

__all__ = ["MapLike", "Mask", "Size", "Strengths", "as_strengths", "check_size", "check_strengths", "to_grey"]

Size = tuple[int, int]
"""(width, height) in pixels."""

Strengths = npt.NDArray[np.float64]
"""(H,W) in [0,1]."""

Mask = npt.NDArray[np.bool_]
"""(H,W), true inside."""

MapLike = Image.Image | npt.NDArray[Any] | str | Path
"""A map as picture, array or file; white / 1 = change."""


def check_size(size: Size) -> Size:
    """Refuse a size without pixels."""
    width, height = size
    if width < 1 or height < 1:
        raise InputError(f"a map of {width}x{height} pixels cannot be made; both sides must be at least 1")
    return width, height


def check_strengths(**strengths: float) -> None:
    """Refuse strengths outside [0,1], by name."""
    for name, value in strengths.items():
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{name} must be a strength from 0 to 1, got {value:g}")


def to_grey(strengths: npt.NDArray[Any]) -> Image.Image:
    """Return strengths (H,W) in [0,1] as an 8-bit grey picture, so that a map used is the same as a map saved."""
    return Image.fromarray(np.rint(np.clip(strengths, 0.0, 1.0) * 255.0).astype(np.uint8))


def as_strengths(source: MapLike) -> Strengths:
    """Return a map of any kind, at its own size, as float64 (H,W) in [0,1]. Raises InputError."""
    from scumble.images import load_map
    from scumble.images.decode import open_file

    if isinstance(source, np.ndarray):
        if source.ndim not in (2, 3):
            raise InputError(f"a map of shape {source.shape} cannot be used; give (H,W)")
        tensor, _ = load_map(source, (source.shape[1], source.shape[0]))
    else:
        image = source if isinstance(source, Image.Image) else open_file(source, "map")
        tensor, _ = load_map(image, image.size)
    return np.asarray(tensor[0, 0].numpy(), np.float64)
