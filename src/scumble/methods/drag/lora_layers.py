"""LoRA layers around a network's attention, put in and taken out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from scumble.errors import CheckpointError

__all__ = ["NAME", "adapted", "injected", "trained_parameters"]

NAME = "picture"
TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]
"""All attention projections, of self- and cross-attention."""


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
    with injected(denoiser, rank):
        rejected = set_peft_model_state_dict(denoiser, state, adapter_name=NAME)
        if rejected is not None and (rejected.unexpected_keys or any(NAME in k for k in rejected.missing_keys)):
            raise CheckpointError(f"the LoRA {path.name} does not fit this network: train it again")
        yield


def trained_parameters(denoiser: nn.Module, rank: int) -> list[nn.Parameter]:
    """Return the injected layers' parameters, float32, with fresh first matrices."""
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
def injected(denoiser: Any, rank: int) -> Iterator[None]:
    """Put adapter layers without effect (B = 0, scale 1) around the attention projections, and away again."""
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
