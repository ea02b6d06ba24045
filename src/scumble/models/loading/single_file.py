"""A model from one ``.safetensors`` file in the original Stable Diffusion layout, converted by diffusers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from scumble.errors import CheckpointError
from scumble.hashing import files_sha256
from scumble.models.latent import LatentModel
from scumble.models.loading.complete import check_complete
from scumble.models.loading.folder import PICKLES, pickle_error
from scumble.models.loading.pipe import model_of_pipe
from scumble.models.loading.placed import placed
from scumble.models.loading.safetensors_file import has_safetensors_header, keys_of, own_dtype, plain_name
from scumble.models.pixel import PixelModel
from scumble.models.quiet import without_progress_bars, without_warnings

__all__ = ["load_single_file"]

NOT_MODELS: dict[str, tuple[str, ...]] = {
    "a LoRA, an addition to a model: give it with --lora, and the model it was made for with --model": (
        "lora", "hada_w1", "lokr_w",
    ),
    "a ControlNet, an addition to a model: give it with --control and its picture, and the model with --model": (
        "control_model.", "controlnet_cond_embedding", "controlnet_down_blocks",
    ),
    "an IP-Adapter, an addition to a model: give it with --ip-adapter and --ip-image, and the model with --model": (
        "to_k_ip.",
    ),
    "a Flux model; only Stable Diffusion 1.x, 2.x and XL and pixel models are supported": (
        "double_blocks.", "single_transformer_blocks.",
    ),
    "a Stable Diffusion 3 model; only Stable Diffusion 1.x, 2.x and XL and pixel models are supported": (
        "joint_blocks.",
    ),
}  # fmt: skip
"""What files are that hold such names."""
NETWORKS = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "conditioner.")
VAE_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "first_stage_model.", "loss.")


def load_single_file(
    path: Path, device: torch.device, dtype: torch.dtype, config: Path | None = None
) -> LatentModel | PixelModel:
    """Load a checkpoint file; the configs and the vocabulary that it lacks come from diffusers' cache or the hub.

    It is mapped into memory in its own precision; what has the wanted one is not copied, the rest is converted tensor
    by tensor.
    With ``config``, a folder in diffusers' format of the same kind of model, they come from there, without a network.
    The empty tensors ``v_pred`` and ``ztsnr``, by which files say that they predict v and were trained down to pure
    noise, are obeyed.

    Raises:
        CheckpointError: If it is a pickle, no complete checkpoint, damaged, or its configs cannot be had.
    """
    keys = _keys(path)
    kind = _kind(path.name, keys)
    stored_dtype = own_dtype([path], NETWORKS)
    options = {} if config is None else {"config": str(config), "local_files_only": True}
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    try:
        with without_progress_bars(), without_warnings(), plain_name(path) as file:
            if kind == "sdxl":
                pipe = StableDiffusionXLPipeline.from_single_file(str(file), torch_dtype=stored_dtype, **options)
            else:
                pipe = StableDiffusionPipeline.from_single_file(
                    str(file), torch_dtype=stored_dtype, safety_checker=None, **options
                )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever the hub's client raises, the user needs the way out
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        if config is not None:
            raise CheckpointError(
                f"{path.name} cannot be loaded with the configs of {config.name}: {reason}"
            ) from error
        raise CheckpointError(
            f"{path.name} cannot be loaded: {reason}. A"
            " single file holds weights only; its configs and its vocabulary are fetched once from the hub and then"
            " kept. Without a network use a folder instead (made on a connected machine with"
            " StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER))"
        ) from error
    check_complete(pipe, keys, path.name)
    fragile = dtype == torch.float16 and pipe.vae.config.force_upcast
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
        if part is not None:
            placed(part, device, torch.float32 if fragile and part is pipe.vae else dtype).eval()
    model = model_of_pipe(pipe, path.stem, partial(files_sha256, [path]))
    if stated := _stated_inside(keys):
        model.schedule = model.schedule.changed(**stated)
    return model


def _keys(path: Path) -> list[str]:
    """The names of a file's tensors; true reasons for files of other kinds."""
    suffix = path.suffix.lower()
    if suffix == ".gguf":
        raise CheckpointError(f"{path.name} is a quantized file (GGUF), not supported; get its .safetensors file")
    if suffix != ".safetensors":
        if has_safetensors_header(path):
            raise CheckpointError(f"{path.name} is a safetensors file under another ending: rename it to .safetensors")
        if suffix in PICKLES:
            raise pickle_error(path.name)
        raise CheckpointError(f"{path.name} is no checkpoint that Scumble reads; give a .safetensors file or a folder")
    return keys_of(path)


def _kind(name: str, keys: list[str]) -> str:
    """``sd`` or ``sdxl``.

    Raises:
        CheckpointError: Saying what the file is, where it is something else.
    """
    for what, markers in NOT_MODELS.items():
        if any(marker in key for key in keys for marker in markers):
            raise CheckpointError(f"{name} is {what}")
    if len(keys) <= 3 and ("emb_params" in keys or "clip_g" in keys or (len(keys) == 1 and "." not in keys[0])):
        raise CheckpointError(
            f"{name} holds learned words (textual inversion), no model: give it with --textual-inversion, and the model"
            " it was made for with --model"
        )
    if all(key.startswith(VAE_PARTS) for key in keys):
        raise CheckpointError(f"{name} is an autoencoder alone: give it with --vae, and a model with --model")
    network = any(key.startswith("model.diffusion_model.") for key in keys)
    if not network:
        raise CheckpointError(
            f"{name} is not a complete Stable Diffusion checkpoint (no model.diffusion_model.* inside); of a model"
            " in diffusers' format give the folder with model_index.json"
        )
    if any(key.startswith("conditioner.embedders.1.") for key in keys):
        return "sdxl"
    if any(key.startswith("conditioner.") for key in keys):
        raise CheckpointError(f"{name} is the refiner of SDXL; use the base model")
    if len(keys) > 1 and all(key.startswith("model.diffusion_model.") for key in keys):
        raise CheckpointError(
            f"{name} is a U-Net alone, without text encoder and autoencoder; give the complete checkpoint, or a folder"
        )
    return "sd"


def _stated_inside(keys: list[str]) -> dict[str, Any]:
    """What the scheduler config has to say because the file says so."""
    metadata: dict[str, Any] = {}
    if "v_pred" in keys:
        metadata["prediction_type"] = "v_prediction"
    if "ztsnr" in keys:
        metadata |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return metadata
