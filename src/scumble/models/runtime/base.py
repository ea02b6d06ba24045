"""The protocol of runtimes that replace PyTorch where only a network's output is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

from scumble.models.runtime.answers import Answers
from scumble.models.runtime.untouched import Watch

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["DenoiserOnly", "Runtime", "made_with"]


class Runtime(Protocol):
    """Runs the networks of one model. A method that returns None leaves that call to PyTorch.

    Attributes:
        name: ``openvino`` or ``compile``, as ``--runtime`` names it.
        version: Of the package that does it.
        precision: ``float32``, ``float16`` or ``bfloat16``: what the networks compute in.
        remark: One line for the user where something does not run as asked; else empty.
        answers: Which calls of the present edit it answered.
        watch: Sees whether something was attached to a network since.
    """

    name: str
    version: str
    precision: str
    remark: str
    answers: Answers
    watch: Watch

    def begin(self, steps: int) -> None:
        """A run of so many steps begins."""
        ...

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the raw output of the denoiser for ``x`` (B, C, h, w) at times ``t`` (scalar or (B,))."""
        ...

    def encode(self, vae: nn.Module, image: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return mean and standard deviation of the autoencoder's posterior, float32."""
        ...

    def decode(self, vae: nn.Module, latent: Tensor) -> Tensor | None:
        """Return the image of a latent as the autoencoder takes it, float32."""
        ...

    def embed(
        self, network: nn.Module, ids: Tensor, mask: Tensor | None, skip: int, pooled: bool
    ) -> tuple[Tensor, ...] | None:
        """Return token states (B, L, D) of a text encoder, and with ``pooled`` its pooled embedding (B, P), float32."""
        ...


class DenoiserOnly:
    """Base of runtimes that leave all networks but the denoiser to PyTorch."""

    def encode(self, vae: nn.Module, image: Tensor) -> tuple[Tensor, Tensor] | None:
        """Leave it to PyTorch."""
        return None

    def decode(self, vae: nn.Module, latent: Tensor) -> Tensor | None:
        """Leave it to PyTorch."""
        return None

    def embed(
        self, network: nn.Module, ids: Tensor, mask: Tensor | None, skip: int, pooled: bool
    ) -> tuple[Tensor, ...] | None:
        """Leave it to PyTorch."""
        return None


def made_with(model: Model) -> tuple[str, str]:
    """Return what answers for a model, with its version, and in what precision: (``torch``, ``float32``)."""
    runtime = model.runtime
    if runtime is None:
        return "torch", str(model.dtype).removeprefix("torch.")
    return f"{runtime.name} {runtime.version}", runtime.precision
