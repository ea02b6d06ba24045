"""Parts of tiny random models, built in code."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

LENGTH = 16
"""Tokens that the tiny text encoders see."""

MERGED = ("red", "cube", "cat", "a", "big", "sand", "on")
"""Words of one token; every other word is spelled letter by letter."""


def make_tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    letters = [chr(c) for c in range(ord("!"), ord("~") + 1)]
    vocab = letters + [f"{c}</w>" for c in letters]
    merges = []
    for word in MERGED:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merges.append(f"{pieces[0]} {pieces[1]}")
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
            vocab.append(pieces[0])
    vocab = [*dict.fromkeys(vocab), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocab)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(dict.fromkeys(merges)) + "\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH})
    )
    return CLIPTokenizer.from_pretrained(str(folder))


def make_text_encoder(tokenizer: Any, width: int, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=12,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def make_vae(**kwargs: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=16,
        **{"scaling_factor": 0.18215, **kwargs},
    ).eval()


def make_unet(**kwargs: Any) -> Any:
    from diffusers import UNet2DConditionModel

    settings = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**{**settings, **kwargs}).eval()


def make_pixel_unet(**kwargs: Any) -> Any:
    from diffusers import UNet2DModel

    settings = {
        "sample_size": 16,
        "in_channels": 3,
        "out_channels": 6,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    return UNet2DModel(**{**settings, **kwargs}).eval()


def state_of(network: Any) -> dict[str, Any]:
    """Everything of every module that a tap could touch."""
    state: dict[str, Any] = {}
    for name, module in network.named_modules():
        for key, value in vars(module).items():
            kept = dict(value) if key.endswith("hooks") or key in ("_modules", "_parameters", "_buffers") else value
            state[f"{name}:{key}"] = kept
    return state


def make_controlnet(unet: Any, seed: int = 6, halvings: int = 1) -> Any:
    """A ControlNet beside a tiny U-Net, for pictures of 2^halvings times its side; none of its layers is zero."""
    import torch
    from diffusers import ControlNetModel

    network = ControlNetModel.from_unet(
        unet, load_weights_from_unet=False, conditioning_embedding_out_channels=(4, *(8,) * halvings)
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            if not weight.any():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    return network


def pipe_with(sd_pipe: Any, **parts: Any) -> Any:
    """The pipeline with other parts, its class and the rest its own."""
    changed = copy.copy(sd_pipe)
    for name, part in parts.items():
        object.__setattr__(changed, name, part)
    return changed
