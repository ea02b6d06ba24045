"""What stands in for PyTorch where a network's output is all that is wanted."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

__all__ = ["Runtime"]


class Runtime(Protocol):
    """Runs the networks of one model. A method that returns None leaves that call to PyTorch.

    Attributes:
        name: ``openvino`` or ``compile``, as ``--runtime`` names it.
        version: Of the package that does it.
        precision: ``float32``, ``float16`` or ``bfloat16``: what the networks compute in.
        remark: One line for the user where something does not run as asked; else empty.
    """

    name: str
    version: str
    precision: str
    remark: str

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the raw output of the denoiser for ``x`` (B, C, h, w) at times ``t`` (scalar or (B,))."""
        ...

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return mean and standard deviation of the autoencoder's posterior, float32."""
        ...

    def decode(self, latent: Tensor) -> Tensor | None:
        """Return the image of a latent as the autoencoder takes it, float32."""
        ...
