"""An IP-Adapter from a file or a folder, with the image encoder that lies beside it, and the picture as it reads it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scumble.errors import CheckpointError, InputError
from scumble.images import Picture, load_image
from scumble.models.add_ons import AddOns
from scumble.models.checks import check_keys
from scumble.models.image_prompt import ImagePrompt
from scumble.models.latent import LatentModel
from scumble.models.loading.configs import checked_config, guarded
from scumble.models.loading.folder import PICKLES, pickle_error, weight_files
from scumble.models.loading.safetensors_file import keys_of, tensors_of
from scumble.models.quiet import without_progress_bars

__all__ = ["image_prompt_of", "ip_adapter_files"]

ENCODERS = ("image_encoder", "../image_encoder", "../models/image_encoder")
"""Where the image encoder lies, seen from the adapter's folder: the usual places."""


def ip_adapter_files(path: Path) -> list[Path]:
    """Return the weight files of an adapter and of its image encoder.

    Raises:
        CheckpointError: If there is none, or more than one.
    """
    file = _file(path)
    return [file, *weight_files(_encoder_folder(file), path.name)[0]]


def image_prompt_of(model: LatentModel, add_ons: AddOns) -> ImagePrompt:
    """Load an adapter and show it the picture.

    Raises:
        CheckpointError: If it is none, is damaged, or belongs to another kind of checkpoint.
        InputError: If the picture cannot be read.
    """
    assert add_ons.ip_adapter is not None
    path, picture = add_ons.ip_adapter, load_image(add_ons.ip_image)
    scale = 1.0 if add_ons.ip_scale is None else float(add_ons.ip_scale)
    load = partial(_loaded, model, path, picture, scale)
    prompt: ImagePrompt = guarded(f"the IP-Adapter {path.name}", load)
    return prompt


def _loaded(model: LatentModel, path: Path, picture: Picture, scale: float) -> ImagePrompt:
    file = _file(path)
    parts: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in tensors_of(file).items():
        part, _, rest = key.partition(".")
        parts.setdefault(part, {})[rest] = tensor
    if not parts["image_proj"] or not parts["ip_adapter"]:
        raise CheckpointError(f"{file.name} is no IP-Adapter (no image_proj and ip_adapter layers inside)")
    plus = "latents" in parts["image_proj"] or "proj.3.weight" in parts["image_proj"]
    if not plus and "proj.weight" not in parts["image_proj"]:
        raise CheckpointError(
            f"{file.name} is an IP-Adapter of faces (FaceID), which another program would have to find; give one that"
            " reads pictures (ip-adapter, ip-adapter-plus, ip-adapter-full-face)"
        )
    projections = _projections(model, parts["ip_adapter"], file.name)
    unet: Any = model.denoiser
    project = unet._convert_ip_adapter_image_proj_to_diffusers(parts["image_proj"], low_cpu_mem_usage=False)
    project = project.to(model.device, torch.float32).eval().requires_grad_(False)
    with torch.no_grad():
        tokens, nothing = (
            project(one).reshape(1, -1, next(iter(projections.values()))[0].shape[1])
            for one in _read(model, _encoder_folder(file), picture, plus)
        )
    return ImagePrompt(picture, tokens, nothing, projections, scale)


def _projections(model: LatentModel, state: Mapping[str, Tensor], name: str) -> dict[str, tuple[Tensor, Tensor]]:
    """The matrices of each cross-attention, in the order in which adapters number them."""
    unet: Any = model.denoiser
    found: dict[str, tuple[Tensor, Tensor]] = {}
    paths = [one.removesuffix(".processor") for one in unet.attn_processors if not one.endswith("attn1.processor")]
    for k, path in enumerate(paths):
        pair = [state.get(f"{2 * k + 1}.to_{what}_ip.weight") for what in ("k", "v")]
        wanted = unet.get_submodule(path).to_k.weight.shape
        if any(one is None or one.shape != wanted for one in pair) or len(state) != 2 * len(paths):
            raise CheckpointError(
                f"{name} was made for another kind of checkpoint than {model.name}: its {len(state) // 2} pairs of"
                f" matrices do not fit the U-Net's {len(paths)} cross-attentions"
            )
        k_ip, v_ip = (one.to(model.device, torch.float32) for one in pair if one is not None)
        found[path] = (k_ip, v_ip)
    return found


def _read(model: LatentModel, folder: Path, picture: Picture, plus: bool) -> tuple[Tensor, Tensor]:
    """What the image encoder makes of the picture, and of none: an embedding, or its states before the last layer."""
    from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

    checked_config(folder / "config.json", f"{folder.name} has no config")
    with without_progress_bars():
        encoder, info = CLIPVisionModelWithProjection.from_pretrained(
            str(folder), torch_dtype=torch.float32, use_safetensors=True, local_files_only=True,
            variant=weight_files(folder, folder.name)[1], output_loading_info=True,
        )  # fmt: skip
    check_keys(info, folder.name)
    encoder = encoder.to(model.device).eval().requires_grad_(False)
    side = int(encoder.config.image_size)
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    pixels = processor(picture.rgb.convert("RGB"), return_tensors="pt").pixel_values.to(model.device)
    with torch.no_grad():
        if plus:
            shown, empty = (
                encoder(one, output_hidden_states=True).hidden_states[-2] for one in (pixels, torch.zeros_like(pixels))
            )
            return shown, empty
        embedding = encoder(pixels).image_embeds
        return embedding, torch.zeros_like(embedding)


def _file(path: Path) -> Path:
    if path.is_file():
        if path.suffix.lower() in PICKLES:
            raise pickle_error(path.name)
        return path
    files = sorted(one for one in path.glob("*.safetensors") if any("to_k_ip" in key for key in keys_of(one)))
    if len(files) != 1:
        what = "no IP-Adapter" if not files else f"{len(files)} IP-Adapters ({', '.join(one.name for one in files)})"
        raise CheckpointError(f"the folder {path.name} has {what}: give the .safetensors file itself")
    return files[0]


def _encoder_folder(file: Path) -> Path:
    for place in ENCODERS:
        folder = (file.parent / place).resolve()
        if (folder / "config.json").is_file():
            return folder
    raise InputError(
        f"{file.name} needs its image encoder: a folder image_encoder (CLIPVisionModelWithProjection) beside it"
    )
