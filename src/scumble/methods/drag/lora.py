"""A LoRA for one picture: so that the model knows it before its points are dragged (arXiv 2306.14435 section 3.2)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise
from scumble.core.prediction import noised
from scumble.errors import CheckpointError, MethodError
from scumble.files import atomic_write
from scumble.hashing import sha256, tensors_sha256
from scumble.methods.drag.optimize import frozen
from scumble.models.base import Model

__all__ = ["Adapter", "adapted", "cache_folder", "train_lora"]

NAME = "picture"
TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]
"""All attention projections, of self- and cross-attention."""


@dataclass(frozen=True)
class Adapter:
    """What a LoRA is trained with.

    Attributes:
        prompt: What the picture shows.
        steps: Updates.
        rank: Rank r of the updates.
        learning_rate: Of AdamW.
        batch: Draws of noise and level per update.
        seed: Of the draws.
    """

    prompt: str
    steps: int = 80
    rank: int = 16
    learning_rate: float = 5e-4
    batch: int = 4
    seed: int = 0

    def name(self, model: Model, picture: Tensor) -> str:
        """The file that keeps it: a hash of picture, model and settings."""
        settings = json.dumps([self.prompt, self.steps, self.rank, self.learning_rate, self.batch, self.seed])
        values = picture.detach().float().cpu().contiguous().numpy().tobytes()
        return f"{sha256(f'{model.weights_hash}/{settings}/{tuple(picture.shape)}/', values)[:32]}.safetensors"


def cache_folder() -> Path:
    """Where LoRAs are kept: ``$SCUMBLE_CACHE/lora``, or the user's cache folder."""
    folder = os.environ.get("SCUMBLE_CACHE")
    if folder:
        return Path(folder) / "lora"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scumble" / "lora"


@contextmanager
def adapted(denoiser: nn.Module, path: Path | None) -> Iterator[None]:
    """Put a LoRA file into the network for a while; None leaves it as it is.

    On leaving, also by an exception, the network is as it was, with whatever adapters it had before.

    Raises:
        CheckpointError: If the file does not fit the network.
    """
    if path is None:
        yield
        return
    state = {k.removeprefix("unet."): v for k, v in load_file(path).items()}
    with safe_open(path, "pt") as file:
        rank = int((file.metadata() or {}).get("rank", 0)) or next(v.shape[0] for k, v in state.items() if "_A" in k)
    with _injected(denoiser, rank):
        rejected = set_peft_model_state_dict(denoiser, state, adapter_name=NAME)
        if rejected is not None and (rejected.unexpected_keys or any(NAME in k for k in rejected.missing_keys)):
            raise CheckpointError(f"the LoRA {path.name} does not fit this network: train it again")
        yield


def train_lora(
    model: Model,
    picture: Tensor,
    cond: Conditioning,
    adapter: Adapter,
    folder: Path | None = None,
    on_step: Callable[[int], None] | None = None,
    cost: Cost | None = None,
) -> Path:
    """Return the LoRA file of a picture, trained now or kept from before. A file that was cut is made again.

    Noise prediction of the picture at random levels (mean squared error in x0's noise, AdamW), the base weights
    frozen. The picture is used whole; the published code crops it where it is not square.

    Args:
        model: The model.
        picture: (1, 3, H, W) in [-1, 1].
        cond: What it shows.
        adapter: Settings.
        folder: Where files are kept; None: :func:`cache_folder`.
        on_step: Called with the number of each update; may raise to stop.
        cost: A forward and a backward row of every draw are added; a kept file costs none.

    Raises:
        MethodError: If the network has no attention to adapt.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / adapter.name(model, picture)
    if _is_whole(path):
        return path
    denoiser = model.denoiser
    if not any(hasattr(module, "to_q") for module in denoiser.modules()):
        raise MethodError("this network has no attention, so a LoRA has nothing to adapt; leave --lora-steps out")
    noise = CounterNoise([adapter.seed + k for k in range(adapter.batch)])
    total = model.schedule.num_train_timesteps
    draws = torch.Generator().manual_seed(adapter.seed)
    with torch.enable_grad(), frozen(denoiser), torch.random.fork_rng(devices=[]), _injected(denoiser, adapter.rank):
        torch.manual_seed(adapter.seed)  # peft draws its first matrices from the global generator
        parameters = _own_parameters(denoiser, adapter.rank)
        with torch.no_grad():
            shape = (adapter.batch, *model.encode(picture).shape[1:])
        adam = torch.optim.AdamW(parameters, lr=adapter.learning_rate)
        for k in range(adapter.steps):
            with torch.no_grad():
                still = picture.expand(adapter.batch, -1, -1, -1)
                x0 = model.encode(still, noise.normal(shape, "lora-vae", k).to(model.device))
            eps = noise.normal(shape, "lora", k).to(x0.device)
            levels = [model.schedule.at(int(t)) for t in torch.randint(total, (adapter.batch,), generator=draws)]
            prediction = model.predict(noised(x0, eps, levels), levels, cond.expand(adapter.batch))
            loss = (prediction.eps - eps).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            if cost is not None:
                cost.forward(adapter.batch)
                cost.backward(adapter.batch)
            if on_step is not None:
                on_step(k)
        state = get_peft_model_state_dict(denoiser, adapter_name=NAME)
        _write({f"unet.{key}": value.float().cpu().contiguous() for key, value in state.items()}, path, adapter)
    return path


def _own_parameters(denoiser: nn.Module, rank: int) -> list[nn.Parameter]:
    parameters: list[nn.Parameter] = []
    for name, parameter in denoiser.named_parameters():
        if f".{NAME}." in name:
            parameter.data = parameter.data.float()
            if "lora_A" in name:
                nn.init.normal_(parameter, std=1 / rank)
            parameter.requires_grad_(True)
            parameters.append(parameter)
    return parameters


@contextmanager
def _injected(denoiser: Any, rank: int) -> Iterator[None]:
    """Adapter layers without effect (B = 0, scale 1) around the attention projections, and away again."""
    before = {name for name, module in denoiser.named_modules() if isinstance(module, BaseTunerLayer)}
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS)
    present = getattr(denoiser, "peft_config", None)
    had = None if present is None else dict(present)  # what is injected is entered into the present one
    trained = {name for name, p in denoiser.named_parameters() if p.requires_grad}
    try:
        inject_adapter_in_model(config, denoiser, adapter_name=NAME)
        denoiser.peft_config = {**(had or {}), NAME: config}
        yield
    finally:
        for name, module in [*denoiser.named_modules()]:
            if not isinstance(module, BaseTunerLayer):
                continue
            if name in before:
                module.delete_adapter(NAME)
                continue
            parent, _, leaf = name.rpartition(".")
            setattr(denoiser.get_submodule(parent), leaf, module.get_base_layer())
        if had is None:
            del denoiser.peft_config
        else:
            denoiser.peft_config = had
        for name, parameter in denoiser.named_parameters():
            parameter.requires_grad_(name in trained)


def _write(state: dict[str, Tensor], path: Path, adapter: Adapter) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"format": "pt", "rank": str(adapter.rank), "prompt": adapter.prompt, "steps": str(adapter.steps)}
    about["sha256"] = tensors_sha256(state)
    with atomic_write(path) as unfinished:
        save_file(state, unfinished, about)


def _is_whole(path: Path) -> bool:
    """Whether a kept file is there and holds what was written; those of version 0.1 have no checksum."""
    try:
        with safe_open(path, "pt") as file:
            about, state = file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return False
    return about.get("sha256", "") in ("", tensors_sha256(state))
