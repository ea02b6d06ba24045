"""Networks as OpenVINO converts them: tensors in a row in and out, batch and size free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from scumble.models.forward import text_and_pooled, text_states
from scumble.models.runtime.inputs import as_keywords

__all__ = ["Decoder", "Denoiser", "Encoder", "Text", "free_shapes"]


class Denoiser(nn.Module):
    """A diffusers U-Net; there are at most four inputs beside x and t.

    Args:
        network: The U-Net.
        names: Of those inputs.
    """

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(
        self, x: Tensor, t: Tensor, first: Tensor | None = None, second: Tensor | None = None,
        third: Tensor | None = None, fourth: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the raw output."""
        given = [tensor for tensor in (first, second, third, fourth) if tensor is not None]
        named = dict(zip(self.names, given, strict=True))
        output: Tensor = self.network(x, t, **as_keywords(named), return_dict=False)[0]
        return output


class Encoder(nn.Module):
    """The half of an autoencoder that reads an image."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the posterior."""
        posterior = self.vae.encode(image).latent_dist
        return posterior.mean, posterior.std


class Decoder(nn.Module):
    """The half of an autoencoder that makes an image."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latent: Tensor) -> Tensor:
        """Return the image."""
        image: Tensor = self.vae.decode(latent, return_dict=False)[0]
        return image


class Text(nn.Module):
    """A CLIP text encoder.

    Args:
        network: The encoder.
        skip: Layers left out at the end.
        pooled: Whether the states before the last layer and the pooled embedding are wanted, as SDXL reads them.
    """

    def __init__(self, network: Any, skip: int, pooled: bool) -> None:
        super().__init__()
        self.network, self.skip, self.pooled = network, skip, pooled

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return the token states, with the pooled embedding where that is wanted."""
        if self.pooled:
            return text_and_pooled(self.network, ids, self.skip)
        return text_states(self.network, ids, mask, self.skip)


def free_shapes(tensors: Sequence[Tensor]) -> list[list[int]]:
    """Shapes in which -1 is free: batch and size are, channels and the width of an embedding are not."""
    return [_free(tensor) for tensor in tensors]


def _free(tensor: Tensor) -> list[int]:
    if tensor.dim() == 4:
        return [-1, tensor.shape[1], -1, -1]
    return [-1, *([-1] * (tensor.dim() - 2)), *tensor.shape[1:][-1:]]
