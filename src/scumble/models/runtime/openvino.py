"""OpenVINO: the networks of a model converted once, kept on the disk, and run about twice as fast on a processor."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from scumble.errors import CheckpointError, InputError
from scumble.hashing import state_sha256
from scumble.models.runtime.cache import RuntimeCache
from scumble.models.runtime.inputs import as_keywords
from scumble.models.runtime.untouched import state_version

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["OpenVino", "installed_version"]

OLDEST = (2025, 0)
"""Release from which on a dynamic conversion of diffusers' networks is known to work."""


def installed_version() -> str | None:
    """Return the version of the installed OpenVINO, or None where it is missing or too old."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("openvino")
    except PackageNotFoundError:
        return None
    numbers = tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
    return number if numbers >= OLDEST else None


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report the import over the network.

    Raises:
        InputError: If it is not installed, or too old.
    """
    if installed_version() is None:
        least = ".".join(map(str, OLDEST))
        raise InputError(
            f"runtime openvino needs openvino {least} or newer, which is not installed: pip install 'scumble[openvino]'"
        )
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVino:
    """Runs a model's denoiser and autoencoder in OpenVINO on the processor.

    A network is converted when it is first wanted, with free batch and size, so that windows, tiles and batches need
    no new conversion. Where a weight was written to since, PyTorch answers.

    Args:
        model: The model; its networks must be in float32 on the processor.
        precision: ``float32`` or ``bfloat16``: what OpenVINO computes in.
        cache: Where conversions are kept.

    Raises:
        InputError: If OpenVINO is missing, or the model is not on the processor.
    """

    name: str = "openvino"

    def __init__(self, model: Model, precision: str = "float32", cache: RuntimeCache | None = None) -> None:
        if model.device.type != "cpu":
            raise InputError(
                f"runtime openvino runs on the processor, the model is on {model.device}: use --device cpu"
            )
        if model.dtype != torch.float32:
            raise InputError(f"runtime openvino converts float32 networks, not {model.dtype}: load them in float32")
        if precision not in ("float32", "bfloat16"):
            raise InputError(f"runtime openvino computes in float32 or bfloat16, got {precision}")
        self._openvino = import_openvino()
        self.version: str = installed_version() or ""
        self.model, self.precision = model, precision
        self.cache = RuntimeCache() if cache is None else cache
        self.remark = ""
        self._networks: dict[str, tuple[Any, tuple[int, int]]] = {}

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the raw output of the denoiser, float32."""
        names = tuple(inputs)
        example = (x[:1], torch.zeros(1), *(inputs[name][:1] for name in names))
        run = self._network("denoiser", self.model.denoiser, lambda: _Denoiser(self.model.denoiser, names), example)
        if run is None:
            return None
        times = t.float().expand(x.shape[0]) if t.dim() == 0 else t.float()
        (output,) = self._call(run, (x, times, *(inputs[name] for name in names)))
        return output

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return mean and standard deviation of the autoencoder's posterior, float32."""
        vae: Any = getattr(self.model, "vae", None)
        run = None if vae is None else self._network("encoder", vae, lambda: _Encoder(vae), (image[:1],))
        if run is None:
            return None
        mean, std = self._call(run, (image,))
        return mean, std

    def decode(self, latent: Tensor) -> Tensor | None:
        """Return the image of a latent, float32."""
        vae: Any = getattr(self.model, "vae", None)
        run = None if vae is None else self._network("decoder", vae, lambda: _Decoder(vae), (latent[:1],))
        if run is None:
            return None
        (image,) = self._call(run, (latent,))
        return image

    @cached_property
    def _core(self) -> Any:
        return self._openvino.Core()

    def _call(self, run: Any, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        arrays = [tensor.detach().float().contiguous().numpy() for tensor in tensors]
        outputs = run(arrays, share_inputs=True, share_outputs=False)
        return tuple(torch.from_numpy(outputs[k]) for k in range(len(outputs)))

    def _network(
        self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], example: tuple[Tensor, ...]
    ) -> Any:
        """Return the compiled network, or None where its weights are no longer those it was made of."""
        if part not in self._networks:
            graph = self._graph(part, network, wrap, example)
            hint = {"float32": "f32", "bfloat16": "bf16"}[self.precision]
            compiled = self._core.compile_model(
                graph, "CPU",
                {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY",
                 "INFERENCE_NUM_THREADS": torch.get_num_threads()},
            )  # fmt: skip
            self._networks[part] = (compiled, state_version(network))
        compiled, version = self._networks[part]
        return compiled if version == state_version(network) else None

    def _graph(self, part: str, network: nn.Module, wrap: Callable[[], nn.Module], example: tuple[Tensor, ...]) -> Any:
        import diffusers

        about = {
            "runtime": f"openvino {self.version}", "part": part, "model": self.model.name,
            "weights": self.model.weights_hash if part == "denoiser" else state_sha256(network),
            "inputs": ",".join(str(len(tensor.shape)) for tensor in example),
            "torch": torch.__version__, "diffusers": diffusers.__version__,
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
        shapes = [_free_shape(tensor) for tensor in example]
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._openvino.convert_model(wrapper.eval(), example_input=example, input=shapes)
        except Exception as error:  # OpenVINO raises kinds of its own for whatever it does not know
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"OpenVINO cannot convert the networks of {self.model.name} ({reason}): use --runtime torch"
            ) from error


def _free_shape(tensor: Tensor) -> list[int]:
    """Batch and size are free, the channels or the width of an embedding are not."""
    if tensor.dim() == 4:
        return [-1, tensor.shape[1], -1, -1]
    return [-1, *([-1] * (tensor.dim() - 2)), *tensor.shape[1:][-1:]]


class _Denoiser(nn.Module):
    """A diffusers U-Net with its inputs in a row; there are at most three beside x and t."""

    def __init__(self, denoiser: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.denoiser, self.names = denoiser, names

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        first: Tensor | None = None,
        second: Tensor | None = None,
        third: Tensor | None = None,
    ) -> Tensor:
        given = [tensor for tensor in (first, second, third) if tensor is not None]
        named = dict(zip(self.names, given, strict=True))
        output: Tensor = self.denoiser(x, t, **as_keywords(named), return_dict=False)[0]
        return output


class _Encoder(nn.Module):
    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        posterior = self.vae.encode(image).latent_dist
        return posterior.mean, posterior.std


class _Decoder(nn.Module):
    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latent: Tensor) -> Tensor:
        image: Tensor = self.vae.decode(latent, return_dict=False)[0]
        return image
