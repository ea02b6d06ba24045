"""LoRA files added to the weights of a model, through diffusers' own readers (kohya, diffusers and peft formats).

LoHa and LoKr, which these do not read, are added by :mod:`scumble.models.loading.lycoris`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scumble.errors import CheckpointError
from scumble.models.add_ons import Lora
from scumble.models.latent import LatentModel
from scumble.models.loading.lycoris import add_lycoris, is_lycoris
from scumble.models.loading.safetensors_file import keys_of
from scumble.models.quiet import without_progress_bars, without_warnings

__all__ = ["fuse_loras", "pipe_of"]


def fuse_loras(model: LatentModel, loras: Sequence[Lora]) -> None:
    """Add LoRAs to the U-Net and the text encoders, ``W + weight * B A``, and leave no adapter layer behind.

    Raises:
        CheckpointError: If a file is no LoRA, or not one of this kind of model.
    """
    pipe = pipe_of(model)
    for lora in loras:
        if is_lycoris(_checked(lora.file)):
            add_lycoris(model, lora)
            continue
        try:
            with without_progress_bars(), without_warnings():  # what it would warn of is checked below
                pipe.load_lora_weights(str(lora.file.parent), weight_name=lora.file.name, adapter_name="added")
            _check_whole(pipe, lora.file)
            pipe.fuse_lora(lora_scale=lora.weight, adapter_names=["added"])
            pipe.unload_lora_weights()
        except (CheckpointError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # diffusers' readers raise whatever the file's keys lead to
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CheckpointError(f"the LoRA {lora.file.name} does not fit {model.name}: {reason}") from error
    for network in _networks(pipe).values():
        network.eval().requires_grad_(False)


def pipe_of(model: LatentModel) -> Any:
    """Return a diffusers pipeline of the model's own networks, to be given to diffusers' loaders."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

    first, *more = model.text.encoders
    parts = {
        "vae": model.vae,
        "unet": model.denoiser,
        "text_encoder": first.network,
        "tokenizer": first.tokenizer,
        "scheduler": DDIMScheduler(steps_offset=1, clip_sample=False),
    }
    with without_progress_bars():
        if more:
            second = {"text_encoder_2": more[0].network, "tokenizer_2": more[0].tokenizer}
            return StableDiffusionXLPipeline(**parts, **second)
        return StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )


def _checked(file: Path) -> list[str]:
    """Return the names in a file; refuse what is no LoRA before diffusers says so in a traceback, or not at all."""
    keys = keys_of(file)
    if not any("lora" in key or "hada_" in key or "lokr" in key for key in keys):
        raise CheckpointError(f"{file.name} is no LoRA (no lora layers inside)")
    return keys


def _check_whole(pipe: Any, file: Path) -> None:
    """Refuse a file of which a part found no place: its layers would be left out without a word."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    state = pipe.lora_state_dict(str(file.parent), weight_name=file.name)[0]
    wanted = {key.split(".lora")[0] for key in state if ".lora" in key and "alpha" not in key}
    placed = [
        name
        for network in _networks(pipe).values()
        for name, layer in network.named_modules()
        if isinstance(layer, BaseTunerLayer) and "added" in layer.active_adapters
    ]
    if len(placed) < len(wanted) or not placed:
        raise CheckpointError(
            f"the LoRA {file.name} does not fit this model: {len(wanted) - len(placed)} of its {len(wanted)} layers"
            " have no place in it; it was made for another kind of checkpoint"
        )


def _networks(pipe: Any) -> dict[str, nn.Module]:
    names = ("unet", "text_encoder", "text_encoder_2")
    return {name: network for name in names if (network := getattr(pipe, name, None)) is not None}
