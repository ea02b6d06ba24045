"""OpenVINO: the networks of a model converted once, kept on the disk, and run about twice as fast on a processor."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from scumble.errors import CheckpointError, InputError
from scumble.hashing import state_sha256
from scumble.models.runtime.answers import Answers
from scumble.models.runtime.cache import RuntimeCache
from scumble.models.runtime.installed import import_openvino, installed_version
from scumble.models.runtime.traced import Decoder, Denoiser, Encoder, Text, free_shapes
from scumble.models.runtime.untouched import state_version

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["OpenVino"]

HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVino:
    """Runs a model's networks in OpenVINO on the processor.

    A network is converted when it is first wanted, with free batch and size, so that windows, tiles and batches need
    no new conversion. Where a weight was written to since, PyTorch answers.

    Args:
        model: The model; its networks must be in float32 on the processor.
        precision: ``float32`` or ``bfloat16``: what OpenVINO computes in.
        cache: Where conversions are kept.
        named: Whether the user asked for OpenVINO: then a network that it cannot convert is an error, else PyTorch
            answers for it and a remark says so.

    Raises:
        InputError: If OpenVINO is missing, or the model is not on the processor.
    """

    name: str = "openvino"

    def __init__(
        self, model: Model, precision: str = "float32", cache: RuntimeCache | None = None, named: bool = True
    ) -> None:
        if model.device.type != "cpu":
            raise InputError(
                f"runtime openvino runs on the processor, the model is on {model.device}: use --device cpu"
            )
        if model.dtype != torch.float32:
            raise InputError(f"runtime openvino converts float32 networks, not {model.dtype}: load them in float32")
        if precision not in HINTS:
            raise InputError(f"runtime openvino computes in float32 or bfloat16, got {precision}")
        self._openvino = import_openvino()
        self.version: str = installed_version() or ""
        self.model, self.precision, self.named = model, precision, named
        self.cache = RuntimeCache() if cache is None else cache
        self.remark, self.answers = "", Answers()
        self._networks: dict[tuple[str, int], _Compiled] = {}

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the raw output of the denoiser, float32."""
        names, network = tuple(inputs), self.model.denoiser
        times = t.float().expand(x.shape[0]) if t.dim() == 0 else t.float()
        tensors = (x, times, *inputs.values())
        output = self._run("denoiser", network, lambda: Denoiser(network, names), tensors)
        return None if output is None else output[0]

    def encode(self, vae: nn.Module, image: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return mean and standard deviation of the autoencoder's posterior, float32."""
        output = self._run("encoder", vae, lambda: Encoder(vae), (image,))
        return None if output is None else (output[0], output[1])

    def decode(self, vae: nn.Module, latent: Tensor) -> Tensor | None:
        """Return the image of a latent, float32."""
        output = self._run("decoder", vae, lambda: Decoder(vae), (latent,))
        return None if output is None else output[0]

    def embed(
        self, network: nn.Module, ids: Tensor, mask: Tensor | None, skip: int, pooled: bool
    ) -> tuple[Tensor, ...] | None:
        """Return the token states of a text encoder, and with ``pooled`` its pooled embedding, float32."""
        part = f"text encoder{', pooled' if pooled else ''}{f', without the last {skip}' if skip else ''}"
        tensors = (ids,) if mask is None else (ids, mask)
        return self._run(part, network, lambda: Text(network, skip, pooled), tensors)

    @cached_property
    def _core(self) -> Any:
        return self._openvino.Core()

    def _run(
        self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], tensors: Sequence[Tensor]
    ) -> tuple[Tensor, ...] | None:
        """Return the outputs, or None where the network was not converted, or its weights were written to since."""
        key = (part, id(network))
        if key not in self._networks:
            self._networks[key] = _Compiled(network, self._compiled(part, network, wrap, tensors))
        compiled = self._networks[key]
        if compiled.run is None or compiled.version != state_version(network):
            return None
        arrays = [_plain(tensor).detach().contiguous().numpy() for tensor in tensors]
        outputs = compiled.run(arrays, share_inputs=True, share_outputs=False)
        return tuple(torch.from_numpy(outputs[k]) for k in range(len(outputs)))

    def _compiled(self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], tensors: Sequence[Tensor]) -> Any:
        example = tuple(_plain(tensor[:1]) for tensor in tensors)
        try:
            graph = self._graph(part, network, wrap, example)
        except CheckpointError as error:
            if self.named:
                raise
            self.remark = str(error)
            return None
        hints = {
            "INFERENCE_PRECISION_HINT": HINTS[self.precision], "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }  # fmt: skip
        return self._core.compile_model(graph, "CPU", hints)

    def _graph(self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], example: tuple[Tensor, ...]) -> Any:
        """Return the converted network, read from the cache where it is there."""
        import diffusers
        import transformers

        about = {
            "runtime": f"openvino {self.version}", "part": part, "model": self.model.name,
            "weights": self.model.weights_hash if part == "denoiser" else state_sha256(network),
            "inputs": ",".join(str(len(tensor.shape)) for tensor in example), "torch": torch.__version__,
            "diffusers": diffusers.__version__, "transformers": transformers.__version__,
        }  # fmt: skip
        folder = self.cache.get(about)
        if folder is not None:
            try:
                return self._core.read_model(folder / "network.xml")
            except RuntimeError:
                pass  # written by a build that this one cannot read: made again below
        graph = self._converted(wrap(), example)

        def write(target: Path) -> None:
            self._openvino.save_model(graph, target / "network.xml", compress_to_fp16=False)

        try:
            self.cache.put(about, write)
        except (InputError, RuntimeError) as error:
            self.remark = f"openvino's conversion is not kept for the next time: {error}"
        return graph

    def _converted(self, wrapper: nn.Module, example: tuple[Tensor, ...]) -> Any:
        """Trace a network with free batch and size.

        Raises:
            CheckpointError: If OpenVINO cannot express it.
        """
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._openvino.convert_model(wrapper.eval(), example_input=example, input=free_shapes(example))
        except Exception as error:  # OpenVINO raises kinds of its own for whatever it does not know
            reason = " ".join(str(error).split())[:200]
            what = "use --runtime torch" if self.named else "PyTorch runs it"
            raise CheckpointError(
                f"OpenVINO cannot convert a network of {self.model.name} ({reason}): {what}"
            ) from error


class _Compiled:
    """A network as OpenVINO runs it, and the state it was made of; ``run`` is None where there is none."""

    def __init__(self, network: nn.Module, run: Any) -> None:
        self.network, self.run, self.version = network, run, state_version(network)


def _plain(tensor: Tensor) -> Tensor:
    """Floating point in float32; token ids as they are."""
    return tensor.float() if tensor.is_floating_point() else tensor
