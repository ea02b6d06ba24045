"""A model from a folder in diffusers' format: only the parts that are needed, and safetensors only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from scumble.errors import CheckpointError
from scumble.hashing import files_sha256
from scumble.models.checks import check_keys
from scumble.models.latent import LatentModel
from scumble.models.loading.configs import checked_config, guarded, json_object
from scumble.models.loading.placed import placed
from scumble.models.loading.safetensors_file import own_dtype
from scumble.models.loading.settings import FolderSettings, read_settings
from scumble.models.pixel import PixelModel
from scumble.models.quiet import without_progress_bars
from scumble.models.text import TextEncoder, TextStack

__all__ = ["PICKLES", "family", "load_folder", "pickle_error", "weight_files"]

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")

OTHER_NETWORKS = ("3", "Upscale", "LatentUpscale", "Depth2Img", "ImageVariation", "GLIGEN", "ControlNet", "Adapter")
"""Pipelines named StableDiffusion… whose U-Net takes more than a latent and a text."""

VARIANTS: Mapping[torch.dtype | None, str] = {torch.float16: "fp16", torch.bfloat16: "bf16"}
"""Precisions in which checkpoints also bring their weights."""
WEIGHTS = re.compile(r"^(?:diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?(?:-\d+-of-\d+)?\.safetensors$")


def family(pipeline: str) -> str | None:
    """Return ``sdxl``, ``sd`` or ``pixel`` for the class name of a diffusers pipeline, or None for any other."""
    if pipeline in ("DDPMPipeline", "DDIMPipeline", "PNDMPipeline"):
        return "pixel"
    if pipeline.startswith("StableDiffusionXL"):
        return None if pipeline[17:].startswith(OTHER_NETWORKS) else "sdxl"
    if pipeline.startswith("LatentConsistencyModel"):
        return "sd"
    if pipeline.startswith("StableDiffusion") and not pipeline[15:].startswith(OTHER_NETWORKS):
        return "sd"
    return None


def pickle_error(what: str) -> CheckpointError:
    """Return the refusal of a pickle."""
    return CheckpointError(
        f"{what} holds its weights as a pickle (.bin, .ckpt, .pt), and loading a pickle can run any code hidden in it."
        " Scumble loads .safetensors only. If you trust the source, convert it once:"
        " diffusers.DiffusionPipeline.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), or from_single_file(FILE)"
    )


def load_folder(path: Path, name: str, device: torch.device, dtype: torch.dtype) -> LatentModel | PixelModel:
    """Load a folder that diffusers' ``save_pretrained`` wrote.

    Raises:
        CheckpointError: If something is missing, is a pickle, is damaged, or belongs to another kind of pipeline.
    """
    model = guarded(name, partial(_load, path, name, device, dtype))
    guarded(f"{name}/scheduler", lambda: model.schedule.levels(1))  # what is wrong in it is met by every run
    return model


def _load(path: Path, name: str, device: torch.device, dtype: torch.dtype) -> LatentModel | PixelModel:
    index = json_object(path / "model_index.json", f"{name} is no model folder in diffusers' format")
    kind = family(str(index.get("_class_name")))
    if index.get("requires_aesthetics_score"):
        raise CheckpointError(f"{name} is the refiner of SDXL; use the base model")
    if kind is None:
        raise CheckpointError(
            f"{name} is a {index.get('_class_name')}; supported are StableDiffusionPipeline,"
            " StableDiffusionXLPipeline and DDPMPipeline and their relatives"
        )
    config = checked_config(path / "scheduler" / "scheduler_config.json", f"{name} has no scheduler")
    settings = read_settings(path, name)
    files = weight_files(path / "unet", name, dtype)[0]
    weights_hash = partial(files_sha256, files)
    from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel

    if kind == "pixel":
        unet = _network(UNet2DModel, path / "unet", name, dtype, device)
        return PixelModel(name, unet, config, device, weights_hash, settings.values)
    unet = _network(UNet2DConditionModel, path / "unet", name, dtype, device)
    vae_path = settings.place(path, "vae")
    vae_config = json_object(vae_path / "config.json", f"{name} has no autoencoder")
    vae_class = vae_config.get("_class_name", "AutoencoderKL")
    if vae_class != "AutoencoderKL":
        raise CheckpointError(f"{name} has a {vae_class}; the supported autoencoder is AutoencoderKL")
    fragile = dtype == torch.float16 and vae_config.get("force_upcast", True)
    vae = _network(AutoencoderKL, vae_path, name, torch.float32 if fragile else dtype, device)
    text = _text(path, settings, index, name, device, dtype, double=kind == "sdxl")
    return LatentModel(name, unet, vae, text, config, device, weights_hash, settings.values)


def _text(
    path: Path,
    settings: FolderSettings,
    index: dict[str, Any],
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    double: bool,
) -> TextStack:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    parts = [("tokenizer", "text_encoder", CLIPTextModel)]
    if double:
        parts.append(("tokenizer_2", "text_encoder_2", CLIPTextModelWithProjection))
    encoders = []
    for tokenizer, encoder, cls in parts:
        places = settings.place(path, tokenizer), settings.place(path, encoder)
        if not all(place.is_dir() for place in places):
            raise CheckpointError(f"{name} has no {encoder} with its {tokenizer}, so it cannot read prompts")
        words = guarded(f"{name}/{tokenizer}", partial(CLIPTokenizer.from_pretrained, str(places[0])))
        encoders.append(TextEncoder(words, _network(cls, places[1], name, dtype, device)))
    return TextStack(encoders, device, bool(index.get("force_zeros_for_empty_prompt", double)))


def _network(cls: Any, path: Path, name: str, dtype: torch.dtype, device: torch.device) -> Any:
    """Load one network, frozen and ready to be evaluated; mapped in its own precision, then converted."""
    files, variant = weight_files(path, name, dtype)
    what = f"{name}/{path.name}"
    load = partial(
        cls.from_pretrained,
        str(path),
        torch_dtype=guarded(what, partial(own_dtype, files)),
        use_safetensors=True,
        local_files_only=True,
        variant=variant,
        output_loading_info=True,
    )
    with without_progress_bars():
        network, info = guarded(what, load)
    check_keys(info, what)
    return placed(network, device, dtype).eval()


def weight_files(path: Path, name: str, dtype: torch.dtype | None = None) -> tuple[list[Path], str | None]:
    """Return the weight files of one part and their variant: that of the precision, else the plain ones, else fp16."""
    if not path.is_dir():
        raise CheckpointError(f"{name} has no {path.name} folder")
    files: dict[str | None, list[Path]] = {}
    for file in sorted(path.iterdir()):
        match = WEIGHTS.match(file.name)
        if match:
            files.setdefault(match["variant"], []).append(file)
    asked = VARIANTS.get(dtype)
    if asked in files:
        return files[asked], asked
    if None in files:
        return files[None], None
    if files:
        variant = "fp16" if "fp16" in files else sorted(v for v in files if v is not None)[0]
        return files[variant], variant
    if any(file.suffix in PICKLES for file in path.iterdir()):
        raise pickle_error(f"{name}/{path.name}")
    raise CheckpointError(f"{name}/{path.name} has no weights (a .safetensors file)")
