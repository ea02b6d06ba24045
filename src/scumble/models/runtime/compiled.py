"""torch.compile: a model's denoiser as one graph, replayed as a CUDA graph on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from scumble.models.runtime.inputs import as_keywords
from scumble.models.runtime.untouched import state_version

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["Compiled"]


class Compiled:
    """Runs a model's denoiser through ``torch.compile``; the autoencoder stays in PyTorch, it is called twice an edit.

    The network itself is not changed: taps and gradients still find it. Each new batch or size is compiled anew.

    Args:
        model: The model.
        backend: Of ``torch.compile``.
    """

    name: str = "compile"
    remark: str = ""

    def __init__(self, model: Model, backend: str = "inductor") -> None:
        self.version: str = str(torch.__version__)
        self.precision: str = str(model.dtype).removeprefix("torch.")
        self._network, self._version = model.denoiser, state_version(model.denoiser)
        mode = "reduce-overhead" if model.device.type == "cuda" and backend == "inductor" else None
        compiled: Any = torch.compile(model.denoiser.forward, backend=backend, mode=mode, dynamic=False)
        self._run = compiled

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return a copy of the raw output: a CUDA graph writes its next output to the same place."""
        if state_version(self._network) != self._version:
            return None
        output: Tensor = self._run(x, t, **as_keywords(inputs), return_dict=False)[0]
        return output.clone()

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor] | None:
        """Leave it to PyTorch."""
        return None

    def decode(self, latent: Tensor) -> Tensor | None:
        """Leave it to PyTorch."""
        return None
