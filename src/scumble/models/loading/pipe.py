"""A model around the parts of a diffusers pipeline that somebody else loaded; nothing is copied or moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from scumble.errors import CheckpointError
from scumble.models.checks import check_pipe
from scumble.models.latent import LatentModel
from scumble.models.pixel import PixelModel
from scumble.models.text import TextEncoder, TextStack

__all__ = ["model_of_pipe"]


def model_of_pipe(
    pipe: Any, name: str | None = None, weights_hash: Callable[[], str] | None = None, controlled: bool = False
) -> LatentModel | PixelModel:
    """Return a model that shares the networks of a Stable Diffusion, SDXL or DDPM pipeline.

    Args:
        pipe: The pipeline.
        name: How to call it; None: what it was loaded from.
        weights_hash: Computes the hash of its U-Net's weights; None: from its state.
        controlled: Whether its ControlNet will be given a picture.

    Raises:
        CheckpointError: If the pipeline is of another kind, or lacks a part.
    """
    check_pipe(pipe, controlled)
    unet, scheduler = plain(getattr(pipe, "unet", None)), getattr(pipe, "scheduler", None)
    kind = type(unet).__name__
    if kind not in ("UNet2DModel", "UNet2DConditionModel") or scheduler is None:
        raise CheckpointError(
            f"a {type(pipe).__name__} has no U-Net and scheduler that Scumble knows; supported are"
            " StableDiffusionPipeline, StableDiffusionXLPipeline and DDPMPipeline and their relatives"
        )
    name = name or _name(pipe)
    config = {**dict(scheduler.config), "_class_name": type(scheduler).__name__}
    device = torch.device(getattr(pipe, "_execution_device", None) or pipe.device)
    if kind == "UNet2DModel":
        return PixelModel(name, unet, config, device, weights_hash)
    vae = plain(getattr(pipe, "vae", None))
    if type(vae).__name__ != "AutoencoderKL":
        raise CheckpointError(f"the pipeline's autoencoder is {type(vae).__name__}; the supported one is AutoencoderKL")
    parts = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
    given = [(getattr(pipe, tokenizer, None), getattr(pipe, encoder, None)) for tokenizer, encoder in parts]
    encoders = [TextEncoder(tokenizer, plain(network)) for tokenizer, network in given if tokenizer and network]
    if not encoders:
        raise CheckpointError("the pipeline has no text encoder with its tokenizer, so it cannot read prompts")
    zeros = bool(getattr(pipe.config, "force_zeros_for_empty_prompt", False))
    return LatentModel(name, unet, vae, TextStack(encoders, device, zeros), config, device, weights_hash)


def plain(network: Any) -> Any:
    """Return the network inside what ``torch.compile`` wrapped: hooks on its layers act there, not in the graph."""
    return getattr(network, "_orig_mod", network)


def _name(pipe: Any) -> str:
    source = str(getattr(pipe, "name_or_path", "") or getattr(pipe.config, "_name_or_path", "") or "")
    return source.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1] or type(pipe).__name__
