"""The original layout of a Stable Diffusion 1.x checkpoint file, written from a pipeline with one layer per block."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
STEM = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_state(pipe: Any) -> dict[str, Tensor]:
    state = {f"model.diffusion_model.{unet_key(key)}": value for key, value in pipe.unet.state_dict().items()}
    levels = len(pipe.vae.config.block_out_channels)
    for key, value in pipe.vae.state_dict().items():
        tensor = value[:, :, None, None] if re.search(r"attentions.*(to_\w|to_out\.0)\.weight", key) else value
        state[f"first_stage_model.{vae_key(key, levels)}"] = tensor
    for key, value in pipe.text_encoder.state_dict().items():
        inner = key if key.startswith("text_model.") else f"text_model.{key}"
        state[f"cond_stage_model.transformer.{inner}"] = value
    return {key: value.contiguous() for key, value in state.items()}


def original_control_state(network: Any) -> dict[str, Tensor]:
    """A ControlNet beside such a U-Net, with two layers between the first and the last that read the picture."""
    return {f"control_model.{control_key(key)}": one.contiguous() for key, one in network.state_dict().items()}


def control_key(key: str) -> str:
    outer, _, rest = key.partition(".")
    if outer == "controlnet_cond_embedding":
        rest = re.sub(r"blocks\.(\d)", lambda m: str(2 + 2 * int(m[1])), rest)
        return f"input_hint_block.{rest.replace('conv_in', '0').replace('conv_out', '14')}"
    if outer == "controlnet_down_blocks":
        number, _, parameter = rest.partition(".")
        return f"zero_convs.{number}.0.{parameter}"
    return f"middle_block_out.0.{rest}" if outer == "controlnet_mid_block" else unet_key(key)


def unet_key(key: str) -> str:
    module, parameter = key.rsplit(".", 1)
    if module in STEM:
        return f"{STEM[module]}.{parameter}"
    place, kind, rest = place_of(key)
    if kind == "resnets":
        inner, parameter = rest.rsplit(".", 1)
        rest = f"{RESNET[inner]}.{parameter}"
    return f"{place}.{rest}"


def place_of(key: str) -> tuple[str, str, str]:
    """Return the numbered place of a block's part, what it is, and the rest of the name."""
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", key):
        kind, index, rest = found.groups()
        return f"middle_block.{2 * int(index) if kind == 'resnets' else 1}", kind, rest
    found = re.match(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.+)", key)
    assert found is not None, key
    side, block, kind, layer, rest = found.groups()
    if side == "down":
        number = 1 + 2 * int(block) + (1 if kind == "downsamplers" else int(layer))
        slot, rest = (0, rest.replace("conv.", "op.")) if kind == "downsamplers" else (int(kind == "attentions"), rest)
        return f"input_blocks.{number}.{slot}", kind, rest
    number = 2 * int(block) + (1 if kind == "upsamplers" else int(layer))
    return f"output_blocks.{number}.{0 if kind == 'resnets' else 1}", kind, rest


def vae_key(key: str, levels: int) -> str:
    key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    key = key.replace("mid_block.attentions.0", "mid.attn_1")
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", key)
    if "attn_1" in key:
        for new, old in ATTENTION.items():
            key = key.replace(f"attn_1.{new}.", f"attn_1.{old}.")
    return key
