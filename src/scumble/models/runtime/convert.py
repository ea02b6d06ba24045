"""Networks brought into OpenVINO's form: traced once with free batch and size, then read from the disk."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from scumble.errors import CheckpointError, InputError
from scumble.hashing import state_sha256
from scumble.models.runtime.cache import RuntimeCache
from scumble.models.runtime.installed import installed_version
from scumble.models.runtime.traced import free_shapes

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["Converter", "plain"]


class Converter:
    """Converts the networks of one model.

    Args:
        model: The model.
        openvino: The package.
        cache: Where conversions are kept.
        named: Whether the user asked for OpenVINO by name, as the error's advice says.
    """

    def __init__(self, model: Model, openvino: Any, cache: RuntimeCache, named: bool) -> None:
        self.model, self.openvino, self.cache, self.named = model, openvino, cache, named

    @cached_property
    def core(self) -> Any:
        """OpenVINO's entry."""
        return self.openvino.Core()

    def graph(
        self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], example: tuple[Tensor, ...]
    ) -> tuple[Any, str]:
        """Return a converted network, read from the cache where it is there, and a remark where it is not kept.

        Args:
            part: What the network does, as the cache lists it.
            network: The network.
            wrap: Makes the module that is traced.
            example: What it is given.

        Raises:
            CheckpointError: If OpenVINO cannot express it.
        """
        import diffusers
        import transformers

        about = {
            "runtime": f"openvino {installed_version()}", "part": part, "model": self.model.name,
            "weights": self.model.weights_hash if part == "denoiser" else state_sha256(network),
            "inputs": ",".join(str(len(tensor.shape)) for tensor in example), "torch": torch.__version__,
            "diffusers": diffusers.__version__, "transformers": transformers.__version__,
        }  # fmt: skip
        folder = self.cache.get(about)
        if folder is not None:
            try:
                return self.core.read_model(folder / "network.xml"), ""
            except RuntimeError:
                pass  # written by a build that this one cannot read: made again below
        graph = self._converted(wrap(), example)

        def write(target: Path) -> None:
            try:
                self.openvino.save_model(graph, target / "network.xml", compress_to_fp16=False)
            except RuntimeError as error:  # it does not say why
                free = shutil.disk_usage(target).free >> 20
                raise OSError(f"a file could not be written whole; {free} MB are free there") from error

        try:
            self.cache.put(about, write)
        except InputError as error:
            return graph, f"openvino's conversion is not kept for the next time: {error}"
        return graph, ""

    def _converted(self, wrapper: nn.Module, example: tuple[Tensor, ...]) -> Any:
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.openvino.convert_model(wrapper.eval(), example_input=example, input=free_shapes(example))
        except Exception as error:  # OpenVINO raises kinds of its own for whatever it does not know
            reason = " ".join(str(error).split())[:200]
            what = "use --runtime torch" if self.named else "PyTorch runs it"
            raise CheckpointError(
                f"OpenVINO cannot convert a network of {self.model.name} ({reason}): {what}"
            ) from error


def plain(tensor: Tensor) -> Tensor:
    """Floating point in float32; token ids as they are."""
    return tensor.float() if tensor.is_floating_point() else tensor
