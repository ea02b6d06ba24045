"""Between 8-bit pictures and the tensors that networks take: exact in both directions."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scumble.errors import ScumbleError
from scumble.images.picture import Picture

__all__ = ["check_finite", "to_bytes", "to_image", "to_tensor"]


def to_tensor(image: Image.Image | Picture) -> Tensor:
    """Return (1,3,H,W) float32 in [-1,1]: v / 127.5 - 1 for an 8-bit value v."""
    rgb = image.rgb if isinstance(image, Picture) else image.convert("RGB")
    values = torch.from_numpy(np.array(rgb, np.float32))
    return (values / 127.5 - 1.0).permute(2, 0, 1)[None].contiguous()


def to_bytes(tensor: Tensor) -> Tensor:
    """Return (B,3,H,W) uint8 on the CPU from (B,3,H,W) in [-1,1]: clamped, rounded half to even.

    Raises ScumbleError when the values are not finite.
    """
    check_finite(tensor)
    tensor = tensor.detach().to("cpu", torch.float32)
    return ((tensor + 1.0) * 127.5).clamp(0.0, 255.0).round().to(torch.uint8)


def check_finite(tensor: Tensor) -> None:
    """Raise ScumbleError when a picture that a model made holds what is no number."""
    if not torch.isfinite(tensor).all():
        raise ScumbleError(
            "the model produced values that are not numbers (NaN or infinite): in float16 they were too large for it,"
            " use bfloat16 or float32; in other types lower the guidance or other weights, or check the model's files"
        )


def to_image(tensor: Tensor) -> list[Image.Image]:
    """Return one RGB picture per row of (B,3,H,W) in [-1,1] or uint8; the exact inverse of :func:`to_tensor`."""
    values = tensor.cpu() if tensor.dtype == torch.uint8 else to_bytes(tensor)
    return [Image.fromarray(row.permute(1, 2, 0).contiguous().numpy()) for row in values]
