"""LoHa and LoKr files (LyCORIS, arXiv 2309.14859) added to the weights of a model: diffusers has no reader for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from scumble.errors import CheckpointError
from scumble.models.add_ons import Lora
from scumble.models.latent import LatentModel
from scumble.models.loading.safetensors_file import tensors_of

__all__ = ["add_lycoris", "is_lycoris"]

PARTS = ("hada_", "lokr_")
KNOWN = {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1", "lokr_w1_a", "lokr_w1_b",
         "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "alpha"}  # fmt: skip
ORIGINAL = {"input_blocks": "down_blocks", "middle_block": "mid_block", "output_blocks": "up_blocks"}
"""Blocks of a U-Net by their names in the original layout, as SDXL's files have them, and by diffusers' names."""
INSIDE = {"in_layers_2": "conv1", "emb_layers_1": "time_emb_proj", "out_layers_3": "conv2",
          "skip_connection": "conv_shortcut", "downsamplers_0_op": "downsamplers_0_conv"}  # fmt: skip
"""Layers inside a block, likewise."""


def is_lycoris(keys: list[str]) -> bool:
    """Whether a file holds factors of LoHa or LoKr."""
    return any(part in key for key in keys for part in PARTS)


def add_lycoris(model: LatentModel, lora: Lora) -> None:
    """Add ``weight * alpha / rank * delta`` to every layer that a file names, in float32.

    Raises:
        CheckpointError: If a part of the file is unknown, or has no place in the model.
    """
    name = lora.file.name
    deltas: list[tuple[nn.Module, Tensor]] = []
    layers = _layers(model)
    for layer, parts in _by_layer(_renamed(tensors_of(lora.file), model, name)).items():
        if unknown := sorted(set(parts) - KNOWN):
            raise CheckpointError(f"{name} is a LoHa or LoKr with a part that is not supported: {layer}.{unknown[0]}")
        if layer not in layers:
            raise CheckpointError(f"the LoHa or LoKr {name} does not fit {model.name}: it has no layer {layer}")
        weight = layers[layer].weight
        assert isinstance(weight, Tensor)
        try:
            deltas.append((layers[layer], _delta(parts).reshape(weight.shape)))
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"the LoHa or LoKr {name} does not fit {model.name}: {layer} is incomplete or of another shape"
            ) from error
    with torch.no_grad():
        for module, delta in deltas:
            weight = module.weight
            assert isinstance(weight, Tensor)
            weight.copy_(weight.float() + lora.weight * delta.to(weight.device))


def _delta(parts: Mapping[str, Tensor]) -> Tensor:
    """``(w1a w1b) * (w2a w2b)`` of LoHa (arXiv 2108.06098), ``w1 (x) w2`` of LoKr, scaled by alpha over the rank.

    Convolutions may have a core between both factors (Tucker's decomposition).
    """
    part = {name: tensor.float() for name, tensor in parts.items()}
    if "hada_w1_a" in part:
        halves = [
            _core(part[f"hada_t{k}"], part[f"hada_w{k}_a"], part[f"hada_w{k}_b"])
            if f"hada_t{k}" in part
            else part[f"hada_w{k}_a"] @ part[f"hada_w{k}_b"]
            for k in (1, 2)
        ]
        return halves[0] * halves[1] * _scale(part, part["hada_w1_b"].shape[0])
    one = part["lokr_w1"] if "lokr_w1" in part else part["lokr_w1_a"] @ part["lokr_w1_b"]
    if "lokr_w2" in part:
        two = part["lokr_w2"]
    elif "lokr_t2" in part:
        two = _core(part["lokr_t2"], part["lokr_w2_a"], part["lokr_w2_b"])
    else:
        two = part["lokr_w2_a"] @ part["lokr_w2_b"]
    ranks = [part[key].shape[0] for key in ("lokr_w1_b", "lokr_w2_b") if key in part]
    if two.dim() == 4:
        one = one[:, :, None, None]
    # both whole: there is no rank, and alpha has no meaning
    return torch.kron(one, two.contiguous()) * (_scale(part, ranks[0]) if ranks else 1.0)


def _core(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum("ijkl,ip,jr->prkl", core, a, b)


def _scale(part: Mapping[str, Tensor], rank: int) -> float:
    return float(part["alpha"]) / rank if "alpha" in part else 1.0


def _layers(model: LatentModel) -> dict[str, nn.Module]:
    """The layers of a model by the names that such files have for them."""
    encoders = [one.network for one in model.text.encoders]
    starts = ["lora_te_"] if len(encoders) == 1 else ["lora_te1_", "lora_te2_"]
    networks: list[tuple[str, Any]] = [("lora_unet_", model.denoiser), *zip(starts, encoders, strict=True)]
    named: dict[str, nn.Module] = {}
    for start, network in networks:
        for name, module in network.named_modules():
            if isinstance(getattr(module, "weight", None), Tensor):
                flat = name.replace(".", "_")
                named[start + flat] = module
                if start != "lora_unet_":
                    named[f"{start}text_model_{flat}"] = module
    return named


def _by_layer(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        layer, _, part = key.partition(".")
        layers.setdefault(layer, {})[part] = tensor
    return layers


def _renamed(state: dict[str, Tensor], model: LatentModel, name: str) -> dict[str, Tensor]:
    """The tensors with the U-Net's blocks named as diffusers names them."""
    if not any(block in key for key in state for block in ORIGINAL):
        return state
    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    try:
        renamed: dict[str, Tensor] = _maybe_map_sgm_blocks_to_diffusers(state, cast("Any", model.denoiser).config)
    except (ValueError, IndexError, KeyError) as error:
        raise CheckpointError(f"the LoHa or LoKr {name} does not fit {model.name}: {error}") from error
    return {_by_diffusers(key): tensor for key, tensor in renamed.items()}


def _by_diffusers(key: str) -> str:
    if key.startswith("lora_unet_"):
        for old, new in {**ORIGINAL, **INSIDE}.items():
            key = key.replace(old, new)
    return key
