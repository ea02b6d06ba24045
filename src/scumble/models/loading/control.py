"""A ControlNet from a folder or file, in diffusers' or the original layout, or from a pipeline that has one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from scumble.errors import CheckpointError, InputError
from scumble.images import load_image
from scumble.models.add_ons import AddOns
from scumble.models.checks import check_keys
from scumble.models.control import ControlNet
from scumble.models.latent import LatentModel
from scumble.models.loading.configs import checked_config, guarded
from scumble.models.loading.folder import weight_files
from scumble.models.loading.safetensors_file import keys_of, plain_name, tensors_of
from scumble.models.quiet import without_progress_bars

__all__ = ["control_files", "control_of"]

SHARED = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim", "addition_embed_type")
"""What a ControlNet has in common with the U-Net that it was trained beside."""


def control_files(path: Path) -> list[Path]:
    """Return the weight files of a ControlNet: the file itself, or those of its folder."""
    return [path] if path.is_file() else weight_files(path, path.name)[0]


def control_of(model: LatentModel, add_ons: AddOns, present: Any = None) -> ControlNet:
    """Load what is to follow a control picture beside a model's U-Net.

    Args:
        model: The model.
        add_ons: Where the network is, and its picture.
        present: The network of a pipeline, where none is named.

    Raises:
        CheckpointError: If it is none, is damaged, or belongs to another kind of checkpoint.
        InputError: If there is none.
    """
    if add_ons.control is None and present is None:
        raise InputError("--control-image is for a ControlNet: give --control, too")
    network: Any = present if add_ons.control is None else _loaded(add_ons.control, model)
    name = "the pipeline's ControlNet" if add_ons.control is None else add_ons.control.name
    if type(network).__name__ != "ControlNetModel":
        raise CheckpointError(f"{name} is a {type(network).__name__}; one ControlNetModel is supported")
    unet: Any = model.denoiser
    for one in SHARED:
        given = network.config.get(one)
        wanted = model.channels if one == "in_channels" else unet.config.get(one)
        if _plain(given) != _plain(wanted):
            raise CheckpointError(
                f"{name} was made for another kind of checkpoint than {model.name}: its {one} is {given}, the U-Net's"
                f" {wanted}"
            )
    factor = 2 ** (len(network.config.conditioning_embedding_out_channels) - 1)
    if factor != model.factor:
        raise CheckpointError(
            f"{name} was made for another kind of checkpoint than {model.name}: its pictures have {factor} times the"
            f" latent's side, the model's {model.factor} times"
        )
    scale = 1.0 if add_ons.control_scale is None else float(add_ons.control_scale)
    return ControlNet(network, load_image(add_ons.control_image), scale)


def _plain(value: Any) -> Any:
    """A value as a config file holds it: lists for tuples."""
    return list(value) if isinstance(value, tuple) else value


def _loaded(path: Path, model: LatentModel) -> Any:
    from diffusers import ControlNetModel

    def load() -> Any:
        with without_progress_bars():
            if not path.is_dir():
                return _of_file(path, model)
            config = checked_config(path / "config.json", f"{path.name} has no config")
            if (kind := config.get("_class_name", "ControlNetModel")) != "ControlNetModel":
                raise CheckpointError(f"{path.name} is a {kind}; one ControlNetModel is supported")
            network, info = ControlNetModel.from_pretrained(
                str(path), use_safetensors=True, local_files_only=True, output_loading_info=True,
                variant=weight_files(path, path.name)[1],
            )  # fmt: skip
            check_keys(info, path.name)
            return network

    network = guarded(f"the ControlNet {path.name}", load)
    return network.to(model.device, model.dtype).eval().requires_grad_(False)


def _of_file(path: Path, model: LatentModel) -> Any:
    from diffusers import ControlNetModel

    keys, beside = keys_of(path), path.with_name("config.json")
    original = any("control_model." in key or "input_hint_block" in key for key in keys)
    if not original and "controlnet_cond_embedding.conv_in.weight" not in keys:
        raise CheckpointError(f"{path.name} is no ControlNet (no control layers inside)")
    if beside.is_file() and not original:
        network = ControlNetModel.from_config(ControlNetModel.load_config(str(beside)))
    else:
        network = ControlNetModel.from_unet(model.denoiser, load_weights_from_unet=False)
    if original:
        with tempfile.TemporaryDirectory() as folder, plain_name(path) as file:
            network.save_config(folder)
            loaded = ControlNetModel.from_single_file(str(file), config=folder, local_files_only=True)
        _check_original(loaded, keys, path.name)
        return loaded
    missing, foreign = network.load_state_dict(tensors_of(path), strict=False)
    check_keys({"missing_keys": missing, "unexpected_keys": foreign}, path.name)
    return network


def _check_original(network: Any, keys: list[str], name: str) -> None:
    """Refuse what the conversion leaves out, or leaves empty, without a word: there is one tensor for each."""
    given = [key for key in keys if key.startswith("control_model.")] or keys
    wanted = len(network.state_dict())
    if len(given) != wanted or any(tensor.is_meta for tensor in network.parameters()):
        raise CheckpointError(
            f"{name} holds {len(given)} weights of a ControlNet, one for this checkpoint has {wanted}: it was made for"
            " another kind of checkpoint, or is damaged"
        )
