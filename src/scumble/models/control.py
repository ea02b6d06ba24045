"""A ControlNet beside the U-Net: a control picture as one more conditioning of every row (arXiv 2302.05543)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from scumble.images import Picture, Window
from scumble.models.precision import compute_dtype

__all__ = ["ControlNet"]


@dataclass(frozen=True)
class ControlNet:
    """What follows a control picture (edges, depth, scribbles, …) and adds to what the U-Net computes.

    Attributes:
        network: diffusers ``ControlNetModel``.
        picture: The control picture, of the edited picture's shape.
        scale: How strongly it acts.
    """

    network: Any
    picture: Picture
    scale: float = 1.0

    def shown(self, window: Window) -> Tensor:
        """The control picture as the network sees it (1, 3, H, W) in [0, 1], through the picture's own window."""
        whole = self.picture.rgb.convert("RGB")
        if whole.size != window.original:
            whole = whole.resize(window.original, Image.Resampling.LANCZOS)
        pixels: npt.NDArray[np.uint8] = np.asarray(whole.crop(window.box))
        return window.within().apply_pixels(pixels) / 2 + 0.5

    def __call__(self, x: Tensor, t: Tensor, conditioning: Mapping[str, Any], picture: Tensor) -> dict[str, Any]:
        """What the U-Net is given besides, for ``x`` (B, C, h, w) and a control picture (1 or B, 3, H, W)."""
        dtype = compute_dtype(self.network)
        conditioning = {name: one.to(dtype) if isinstance(one, Tensor) else one for name, one in conditioning.items()}
        conditioning.pop("timestep_cond", None)  # a ControlNet has no such input, as in diffusers' pipelines
        down, mid = self.network(
            x.to(dtype),
            t,
            controlnet_cond=picture.expand(x.shape[0], -1, -1, -1).to(x.device, dtype),
            conditioning_scale=self.scale,
            return_dict=False,
            **conditioning,
        )
        return {
            "down_block_additional_residuals": tuple(one.to(x.dtype) for one in down),
            "mid_block_additional_residual": mid.to(x.dtype),
        }
