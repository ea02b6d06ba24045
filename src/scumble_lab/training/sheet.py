"""Pictures side by side in one file, to look at."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from scumble.images import save_image

__all__ = ["as_bytes", "save_sheet"]


def as_bytes(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [-1, 1] to uint8."""
    return pictures.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def save_sheet(pictures: Tensor, path: Path, columns: int = 8, enlarge: int = 2) -> None:
    """Write (B, 3, H, W) in [-1, 1] as a grid, row by row."""
    count, channels, height, width = pictures.shape
    rows = -(-count // columns)
    room = torch.full((rows * columns, channels, height, width), 255, dtype=torch.uint8)
    room[:count] = as_bytes(pictures).cpu()
    grid = room.view(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    image = Image.fromarray(grid.reshape(rows * height, columns * width, channels).numpy())
    save_image(image.resize((image.width * enlarge, image.height * enlarge), Image.Resampling.NEAREST), path)
