"""A model from one ``.safetensors`` file in the original Stable Diffusion layout, converted by diffusers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from scumble.errors import CheckpointError
from scumble.hashing import files_sha256
from scumble.models.base import Model
from scumble.models.loading.folder import pickle_error
from scumble.models.loading.pipe import model_of_pipe
from scumble.models.quiet import without_progress_bars

__all__ = ["load_single_file"]


def load_single_file(path: Path, device: torch.device, dtype: torch.dtype) -> Model:
    """Load a checkpoint file; the configs and the vocabulary that it lacks come from diffusers' cache or the hub.

    Raises:
        CheckpointError: If it is a pickle, no complete checkpoint, damaged, or its configs cannot be had.
    """
    if path.suffix != ".safetensors":
        raise pickle_error(path.name)
    kind = _kind(path)
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    try:
        with without_progress_bars():
            if kind == "sdxl":
                pipe = StableDiffusionXLPipeline.from_single_file(str(path), torch_dtype=torch.float32)
            else:
                pipe = StableDiffusionPipeline.from_single_file(
                    str(path), torch_dtype=torch.float32, safety_checker=None
                )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever the hub's client raises, the person needs the way out
        raise CheckpointError(
            f"{path.name} cannot be loaded: {str(error).splitlines()[0] if str(error) else type(error).__name__}. A"
            " single file holds weights only; its configs and its vocabulary are fetched once from the hub and then"
            " kept. Without a network use a folder instead (made on a connected machine with"
            " StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER))"
        ) from error
    fragile = dtype == torch.float16 and pipe.vae.config.force_upcast
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
        if part is not None:
            nn.Module.to(part, device, torch.float32 if fragile and part is pipe.vae else dtype)
            part.eval().requires_grad_(False)
    return model_of_pipe(pipe, path.stem, partial(files_sha256, [path]))


def _kind(path: Path) -> str:
    try:
        with safe_open(str(path), framework="pt") as file:
            keys = list(file.keys())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path.name} is no readable safetensors file: {error}") from error
    if any("lora" in key for key in keys):
        raise CheckpointError(f"{path.name} is a LoRA, an addition to a model; load the model it was made for")
    if not any(key.startswith("model.diffusion_model.") for key in keys):
        raise CheckpointError(
            f"{path.name} is not a complete Stable Diffusion checkpoint (no model.diffusion_model.* inside); of a model"
            " in diffusers' format give the folder with model_index.json"
        )
    if any(key.startswith("conditioner.embedders.1.") for key in keys):
        return "sdxl"
    if any(key.startswith("conditioner.") for key in keys):
        raise CheckpointError(f"{path.name} is the refiner of SDXL; use the base model")
    return "sd"
