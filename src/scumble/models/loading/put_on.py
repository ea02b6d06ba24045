"""Add-ons put on a loaded model, its weights changed for good; its hash and its record say so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from scumble.core.schedule import SPACINGS
from scumble.errors import CheckpointError, InputError
from scumble.hashing import files_sha256, sha256, state_sha256
from scumble.models.add_ons import AddOns
from scumble.models.control import ControlNet
from scumble.models.forward import is_tiny
from scumble.models.latent import LatentModel
from scumble.models.loading.control import control_files, control_of
from scumble.models.loading.embeddings import add_words
from scumble.models.loading.ip_adapter import image_prompt_of, ip_adapter_files
from scumble.models.loading.lora import fuse_loras
from scumble.models.loading.other_vae import load_vae, vae_files
from scumble.models.loading.preview_vae import use_preview_vae
from scumble.models.pixel import PixelModel
from scumble.models.scheduler_remarks import few_step_defaults, guidance_of

__all__ = ["put_on"]

FEW: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "lcm": ({"_class_name": "LCMScheduler"}, {"solver": "lcm", "num_inference_steps": 4}),
    "tcd": ({"_class_name": "TCDScheduler"}, {"solver": "tcd", "num_inference_steps": 4}),
    "turbo": ({"timestep_spacing": "trailing"}, {"solver": "euler-a", "num_inference_steps": 4}),
    "lightning": ({"timestep_spacing": "trailing"}, {"solver": "euler", "num_inference_steps": 4}),
    "hyper": ({"timestep_spacing": "trailing"}, {"solver": "ddim", "num_inference_steps": 4}),
}
"""What the scheduler config says for a distilled kind, and the settings that it was distilled for (all without
guidance, unless the network reads it): LCM 2310.04378, TCD 2402.19159, Turbo 2311.17042, Lightning 2402.13929, Hyper-SD
2404.13686."""


def put_on(model: LatentModel | PixelModel, add_ons: AddOns, pipe: Any = None) -> None:
    """Put add-ons on a model.

    Args:
        model: The model, loaded for it alone unless ``pipe`` is given.
        add_ons: What is put on.
        pipe: The pipeline whose networks the model shares: they are not changed.

    Raises:
        CheckpointError: If one does not fit the model.
        InputError: If the model has no use for it.
    """
    if not add_ons:
        return
    if pipe is not None and (add_ons.lora or add_ons.textual_inversion):
        raise InputError("a LoRA or learned words would change the pipe's own networks: load them on the pipe itself")
    before = model.weights_hash if add_ons.lora or add_ons.textual_inversion else None
    if isinstance(model, LatentModel):
        _change_networks(model, add_ons, pipe)
    elif any((add_ons.lora, add_ons.vae, add_ons.textual_inversion, add_ons.clip_skip, add_ons.prompt_syntax,
              add_ons.ip_adapter, add_ons.control_image is not None)):  # fmt: skip
        raise InputError(
            f"{model.name} works on pixels and takes no words: it has no use for a LoRA, a VAE, words, a ControlNet or"
            " an IP-Adapter"
        )
    _change_schedule(model, add_ons)
    if add_ons.preview_vae is not None:
        use_preview_vae(model, add_ons.preview_vae)
    model.settings = {**_record(add_ons, model.control), **_record_image_prompt(add_ons, model)}
    if not model.settings:
        return
    plain = model.hash_of_weights if before is None else (lambda: before)
    model.hash_of_weights = partial(_hash, plain, _signature(model.settings))


def _change_networks(model: LatentModel, add_ons: AddOns, pipe: Any) -> None:
    if add_ons.vae is not None:
        model.use_vae(load_vae(add_ons.vae, model.vae))
        if is_tiny(model.vae):
            _say_tiny(model, add_ons.vae.name)
    for file in add_ons.textual_inversion:
        add_words(model, file)
    if add_ons.lora:
        fuse_loras(model, add_ons.lora)
    if add_ons.clip_skip is not None:
        model.text.skip_layers(add_ons.clip_skip)
    model.text.weighted = add_ons.prompt_syntax == "weighted"
    if add_ons.control_image is not None:
        model.control = control_of(model, add_ons, getattr(pipe, "controlnet", None))
    if add_ons.ip_adapter is not None:
        model.image_prompt = image_prompt_of(model, add_ons)


def _say_tiny(model: LatentModel, name: str) -> None:
    """Say that a small autoencoder makes the results."""
    if model.picture_channels:
        raise CheckpointError(
            f"{model.name} reads pictures as its own autoencoder gives them; {name} is a small one (AutoencoderTiny):"
            " give it for previews instead (--preview-vae of scumble studio, preview_vae= in Python)"
        )
    remark = f"results are decoded by {name}, a small autoencoder made for previews: finer detail needs the model's own"
    model.remarks = (*model.remarks, remark)


def _change_schedule(model: LatentModel | PixelModel, add_ons: AddOns) -> None:
    changed: dict[str, Any] = {}
    if add_ons.prediction_type is not None:
        changed["prediction_type"] = add_ons.prediction_type
    if add_ons.few_steps is not None:
        kind = _kind(model.name, add_ons)
        config, defaults = FEW[kind]
        changed |= config
        scale = guidance_of(isinstance(model, LatentModel) and model.reads_guidance)
        model.defaults = {**model.defaults, "guidance_scale": scale, **defaults}
        if few_step_defaults(model.schedule.config) or kind in ("lcm", "tcd"):
            model.remarks = ()
    changed |= SPACINGS.get(add_ons.schedule or "", {})
    if changed:
        try:
            model.schedule = model.schedule.changed(**changed)
        except ValueError as error:
            raise InputError(f"{model.name} cannot be sampled so: {error}") from error


def _kind(name: str, add_ons: AddOns) -> str:
    """The distilled kind that was named, or that the names of the LoRA files or of the model tell."""
    if add_ons.few_steps not in (None, "auto"):
        return str(add_ons.few_steps)
    for text in [*(one.file.name for one in reversed(add_ons.lora)), name]:
        for kind in FEW:
            if kind in text.lower():
                return kind
    raise InputError(f"--few-steps auto cannot tell from the names of the files: give one of {', '.join(FEW)}")


def _record(add_ons: AddOns, control: ControlNet | None) -> dict[str, Any]:
    """What a recipe says about it: names without folders, and content."""
    record: dict[str, Any] = {}
    if add_ons.lora:
        record["lora"] = [{**_ref(one.file, [one.file]), "weight": one.weight} for one in add_ons.lora]
    if add_ons.vae is not None:
        record["vae"] = _ref(add_ons.vae, vae_files(add_ons.vae))
    if add_ons.textual_inversion:
        record["textual_inversion"] = [_ref(file, [file]) for file in add_ons.textual_inversion]
    for name in ("clip_skip", "prediction_type", "schedule", "few_steps", "prompt_syntax"):
        if getattr(add_ons, name) is not None:
            record[name] = getattr(add_ons, name)
    if control is not None:
        path = add_ons.control
        record["control"] = {"name": "", "sha256": state_sha256(control.network)} if path is None else _ref(
            path, control_files(path)
        )  # fmt: skip
        picture = control.picture
        about = {"name": picture.path_name or "", "sha256": picture.sha256, "size": list(picture.size)}
        record["control_image"], record["control_scale"] = about, control.scale
    return record


def _record_image_prompt(add_ons: AddOns, model: LatentModel | PixelModel) -> dict[str, Any]:
    """The same of a picture as a prompt."""
    if add_ons.ip_adapter is None or model.image_prompt is None:
        return {}
    picture = model.image_prompt.picture
    about = {"name": picture.path_name or "", "sha256": picture.sha256, "size": list(picture.size)}
    adapter = _ref(add_ons.ip_adapter, ip_adapter_files(add_ons.ip_adapter)[:1])
    encoder = files_sha256(ip_adapter_files(add_ons.ip_adapter)[1:])
    return {"ip_adapter": adapter, "ip_encoder": encoder, "ip_image": about, "ip_scale": model.image_prompt.scale}


def _ref(path: Path, files: list[Path]) -> dict[str, Any]:
    try:
        return {"name": path.name, "sha256": files_sha256(files)}
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror or error}") from error


def _signature(record: Mapping[str, Any]) -> str:
    """The record without names, which decide nothing."""
    parts = [f"lora {one['sha256']} {one['weight']:g}" for one in record.get("lora", ())]
    parts += [f"words {one['sha256']} {one['name']}" for one in record.get("textual_inversion", ())]
    files = ("vae", "control", "control_image", "ip_adapter", "ip_image")
    parts += [f"{name} {record[name]['sha256']}" for name in files if name in record]
    named = ("lora", "textual_inversion", *files)
    parts += [f"{name} {record[name]}" for name in sorted(record) if name not in named]
    return "\n".join(parts)


def _hash(plain: Any, signature: str) -> str:
    return sha256(plain(), "\n", signature)
