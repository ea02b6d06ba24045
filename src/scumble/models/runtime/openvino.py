"""OpenVINO: the networks of a model converted once, kept on the disk, and run faster on a processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from scumble.errors import CheckpointError, InputError
from scumble.models.runtime.answers import Answers
from scumble.models.runtime.cache import RuntimeCache
from scumble.models.runtime.convert import Converter, plain
from scumble.models.runtime.installed import import_openvino, installed_version
from scumble.models.runtime.shapes import HINTS, Graphs, RunShapes
from scumble.models.runtime.traced import Decoder, Denoiser, Encoder, Text
from scumble.models.runtime.untouched import Watch

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["OpenVino"]

SMALL = 10_000_000
"""Weights below which a network that an edit calls once or twice stays in PyTorch: compiling it takes a tenth of a
second in each process and saves thousandths of one."""


class OpenVino:
    """Runs a model's networks in OpenVINO on the processor.

    A network is converted when it is first wanted, with free batch and size, so that windows, tiles and batches need
    no new conversion; for shapes that recur it is compiled with nothing free (``shapes``), which is faster. Where a
    weight was written to since, PyTorch answers.

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
        self._converter = Converter(model, import_openvino(), RuntimeCache() if cache is None else cache, named)
        self.version: str = installed_version() or ""
        self.model, self.precision, self.named = model, precision, named
        self.remark, self.answers, self.watch = "", Answers(), Watch()
        self._shapes = RunShapes(model, 0)
        self._networks: dict[tuple[str, int], _Converted] = {}

    def begin(self, steps: int) -> None:
        """A run of so many steps begins."""
        self.answers, self._shapes = Answers(), RunShapes(self.model, steps)

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the raw output of the denoiser, float32."""
        names, network = tuple(inputs), self.model.denoiser
        times = t.float().expand(x.shape[0]) if t.dim() == 0 else t.float()
        tensors = (x, times, *inputs.values())
        output = self._run("denoiser", network, lambda: Denoiser(network, names), tensors)
        return None if output is None else output[0]

    def encode(self, vae: nn.Module, image: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return mean and standard deviation of the autoencoder's posterior, float32."""
        output = None if self._is_small(vae) else self._run("encoder", vae, lambda: Encoder(vae), (image,))
        return None if output is None else (output[0], output[1])

    def decode(self, vae: nn.Module, latent: Tensor) -> Tensor | None:
        """Return the image of a latent, float32."""
        output = None if self._is_small(vae) else self._run("decoder", vae, lambda: Decoder(vae), (latent,))
        return None if output is None else output[0]

    def embed(
        self, network: nn.Module, ids: Tensor, mask: Tensor | None, skip: int, pooled: bool
    ) -> tuple[Tensor, ...] | None:
        """Return the token states of a text encoder, and with ``pooled`` its pooled embedding, float32."""
        part = f"text encoder{', pooled' if pooled else ''}{f', without the last {skip}' if skip else ''}"
        tensors = (ids,) if mask is None else (ids, mask)
        if self._is_small(network):
            return None
        return self._run(part, network, lambda: Text(network, skip, pooled), tensors)

    def _is_small(self, network: nn.Module) -> bool:
        return sum(one.numel() for one in network.parameters()) < SMALL

    def _run(
        self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], tensors: Sequence[Tensor]
    ) -> tuple[Tensor, ...] | None:
        """Return the outputs, or None where the network was not converted, or its weights were written to since."""
        key = (part, id(network))
        if key not in self._networks:
            graphs = self._graphs(part, network, wrap, [plain(tensor[:1]) for tensor in tensors])
            self._networks[key] = _Converted(network, graphs, self.watch.version(network))
        converted = self._networks[key]
        if converted.graphs is None or converted.version != self.watch.version(network):
            return None
        arrays = [plain(tensor).detach().contiguous().numpy() for tensor in tensors]
        run = converted.graphs.of([one.shape for one in arrays], self._shapes.recurs(part, arrays[0].shape))
        outputs = run(arrays, share_inputs=True, share_outputs=False)
        return tuple(torch.from_numpy(outputs[k]) for k in range(len(outputs)))

    def _graphs(
        self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], example: Sequence[Tensor]
    ) -> Graphs | None:
        try:
            graph, remark = self._converter.graph(part, network, wrap, tuple(example))
        except CheckpointError as error:
            if self.named:
                raise
            self.remark = str(error)
            return None
        self.remark = remark or self.remark
        return Graphs(self._converter.core, graph, self.precision)


class _Converted:
    """A network as OpenVINO runs it, and the state it was made of; ``graphs`` is None where there is none."""

    def __init__(self, network: nn.Module, graphs: Graphs | None, version: tuple[int, int]) -> None:
        self.network, self.graphs, self.version = network, graphs, version
