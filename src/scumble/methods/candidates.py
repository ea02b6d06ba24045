"""All candidates of an edit together, for methods that compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from scumble.methods.cache import Cache


__all__ = ["Candidates"]


@dataclass(frozen=True)
class Candidates:
    """All candidates of an edit, for methods that compare them.

    Attributes:
        images: The candidates at the image's size.
        source: The edited image, or None.
        change: The change map at the image's size (1 or B, 1, H, W), or None.
        reports: A report per candidate.
        notices: One-line remarks for the user.
        cache: Shared by the batches.
        device: Where the model runs.
    """

    images: Sequence[Image.Image]
    source: Image.Image | None
    change: Tensor | None
    reports: list[dict[str, Any]]
    notices: list[str]
    cache: Cache
    device: torch.device
