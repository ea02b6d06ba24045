"""torch.compile: a model's denoiser as one graph, replayed as a CUDA graph on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from scumble.errors import InputError
from scumble.models.runtime.answers import Answers
from scumble.models.runtime.base import DenoiserOnly
from scumble.models.runtime.inputs import as_keywords
from scumble.models.runtime.untouched import Watch

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["Compiled"]


class Compiled(DenoiserOnly):
    """Runs a model's denoiser through ``torch.compile``; its other networks, called twice an edit, stay in PyTorch.

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
        self.answers, self.watch = Answers(), Watch()
        self._network, self._version = model.denoiser, self.watch.version(model.denoiser)
        mode = "reduce-overhead" if model.device.type == "cuda" and backend == "inductor" else None
        compiled: Any = torch.compile(model.denoiser.forward, backend=backend, mode=mode, dynamic=False)
        self._run = compiled

    def begin(self, steps: int) -> None:
        """A run begins."""
        self.answers = Answers()

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return a copy of the raw output: a CUDA graph writes its next output to the same place.

        Raises:
            InputError: If this machine cannot compile it.
        """
        if self.watch.version(self._network) != self._version:
            return None
        try:
            output: Tensor = self._run(x, t, **as_keywords(inputs), return_dict=False)[0]
        except TorchDynamoException as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"torch.compile cannot compile this network here ({reason}): use --runtime torch"
            ) from error
        return output.clone()
