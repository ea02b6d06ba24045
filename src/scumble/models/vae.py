"""A picture to a latent and back, in a precision that holds and in tiles when it is large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scumble.models.forward import decode, encode
from scumble.models.runtime.base import Runtime

__all__ = ["from_latent", "latent_factor", "to_latent", "unscaled"]

LARGE = 1024
"""Above this side in pixels a picture is encoded and decoded in tiles, row by row of the batch."""

TILE = 512


def latent_factor(vae: Any) -> int:
    """Return how many pixels a side of a latent cell has."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def to_latent(vae: Any, image: Tensor, sample_noise: Tensor | None, runtime: Runtime | None = None) -> Tensor:
    """Return the scaled latent (B, C, h, w) of a picture (B, 3, H, W) in [-1, 1], float32.

    The mean of the posterior; with ``sample_noise``, mean plus standard deviation times it.
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and image.requires_grad), _ready(vae, image.shape, 1):
        latent, std = encode(vae, image, runtime)
        if sample_noise is not None:
            latent = latent + std * sample_noise.to(latent)
    mean, scale = _statistics(vae, latent)
    return (latent - mean) * float(vae.config.scaling_factor) / scale


def from_latent(vae: Any, x0: Tensor, runtime: Runtime | None = None) -> Tensor:
    """Return the picture (B, 3, H, W) of a scaled latent, float32, about [-1, 1]."""
    with torch.set_grad_enabled(torch.is_grad_enabled() and x0.requires_grad):
        mean, std = _statistics(vae, x0.float())
        latent = x0.float() * std / float(vae.config.scaling_factor) + mean
        with _ready(vae, x0.shape, latent_factor(vae)):
            return decode(vae, latent, runtime)


def unscaled(vae: Any, latent: Tensor) -> Tensor:
    """Return a scaled latent as the autoencoder gave it, which is how instruction networks read pictures."""
    mean, std = _statistics(vae, latent)
    return latent * std / float(vae.config.scaling_factor) + mean


def _statistics(vae: Any, latent: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """What is subtracted from a latent, and by what it is divided besides the scaling factor: per channel or for all.

    As diffusers' SDXL pipelines read ``latents_mean`` and ``latents_std``, and the others ``shift_factor``.
    """
    mean, std = (getattr(vae.config, f"latents_{name}", None) for name in ("mean", "std"))
    if mean is None or std is None:
        return float(getattr(vae.config, "shift_factor", None) or 0.0), 1.0
    return latent.new_tensor(mean).view(1, -1, 1, 1), latent.new_tensor(std).view(1, -1, 1, 1)


@contextmanager
def _ready(vae: Any, shape: torch.Size, factor: int) -> Iterator[None]:
    """Prepare the autoencoder for a tensor of ``shape`` whose cells have ``factor`` pixels; undone on leaving."""
    settings = ("use_tiling", "use_slicing", "tile_sample_min_size", "tile_latent_min_size")
    before = {name: getattr(vae, name) for name in settings if hasattr(vae, name)}
    upcast = vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    try:
        if upcast:  # the SD and SDXL autoencoders overflow in half precision
            nn.Module.to(vae, torch.float32)
        if max(shape[-2:]) * factor > LARGE and len(before) == len(settings):
            vae.use_tiling = vae.use_slicing = True
            vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // latent_factor(vae)
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)
        if upcast:
            nn.Module.to(vae, torch.float16)
