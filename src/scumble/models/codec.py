"""Autoencoders without a diffusion model: the space in which a latent is optimised directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from scumble.errors import CheckpointError
from scumble.models.base import Model

__all__ = ["Codec", "ModelCodec", "VqCodec"]


class Codec(Protocol):
    """Picture to latent and back, differentiable in the latent.

    Attributes:
        name: How results name it.
        bounds: Smallest and largest value of each channel (1, C, 1, 1), or None.
        quantised: Whether a latent is replaced by the nearest codes before it is decoded.
        factor: Pixels per cell along a side.
    """

    name: str
    bounds: tuple[Tensor, Tensor] | None
    quantised: bool
    factor: int

    def encode(self, picture: Tensor) -> Tensor:
        """Return the latent (B, C, h, w) that :meth:`decode` takes back to a picture (B, 3, H, W) in [-1, 1]."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Return the picture of a latent."""
        ...


class ModelCodec:
    """The KL autoencoder of a latent diffusion model, in the model's scaled latents."""

    bounds: tuple[Tensor, Tensor] | None = None
    quantised = False

    def __init__(self, model: Model) -> None:
        self.model, self.name, self.factor = model, f"{model.name} vae", model.factor

    def encode(self, picture: Tensor) -> Tensor:
        """Return the posterior's mean."""
        return self.model.encode(picture)

    def decode(self, z: Tensor) -> Tensor:
        """Return the picture."""
        return self.model.decode(z)


class VqCodec:
    """A diffusers ``VQModel`` (arXiv 2012.09841): every cell is one of the codebook's vectors.

    Args:
        network: The model; frozen here.
        name: How results name it.
    """

    quantised = True

    def __init__(self, network: Any, name: str = "vq") -> None:
        self.network, self.name = network.eval().requires_grad_(False).float(), name
        self.factor = 2 ** (len(network.config.block_out_channels) - 1)
        codes = self.codes
        low, high = codes.min(dim=0).values, codes.max(dim=0).values
        self.bounds: tuple[Tensor, Tensor] | None = (low[None, :, None, None], high[None, :, None, None])

    @property
    def codes(self) -> Tensor:
        """The codebook (K, C)."""
        weight: Tensor = self.network.quantize.embedding.weight
        return weight

    @classmethod
    def load(cls, folder: str | Path, device: torch.device) -> VqCodec:
        """Load a VQModel from a diffusers folder.

        Raises:
            CheckpointError: If the folder holds none, or no safetensors weights.
        """
        from diffusers import VQModel

        path = Path(folder)
        if not (path / "config.json").is_file() or not any(path.glob("*.safetensors")):
            raise CheckpointError(f"{path.name!r} is no VQModel folder: it needs config.json and safetensors weights")
        try:
            network = VQModel.from_pretrained(path, use_safetensors=True, local_files_only=True)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise CheckpointError(f"the VQModel {path.name!r} could not be loaded: {error}") from error
        return cls(network.to(device), path.name)

    def encode(self, picture: Tensor) -> Tensor:
        """Return the latent, quantised."""
        with torch.no_grad():
            return self.quantise(self.network.encode(picture).latents)

    def quantise(self, z: Tensor) -> Tensor:
        """Return the nearest code of every cell; the gradient passes through unchanged (straight-through)."""
        flat = z.detach().movedim(1, -1)
        codes = self.codes
        distance = codes.square().sum(dim=1) - 2 * flat @ codes.T
        nearest = codes[distance.argmin(dim=-1)].movedim(-1, 1)
        return nearest + (z - z.detach())

    def decode(self, z: Tensor) -> Tensor:
        """Return the picture of the nearest codes."""
        picture: Tensor = self.network.decode(self.quantise(z), force_not_quantize=True).sample
        return picture
