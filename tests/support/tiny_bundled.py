"""The bundled models' folders with tiny random networks: same parts, sizes of pictures, words and schedules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

import scumble
from scumble.models.base import Model

BUNDLED = Path(scumble.__file__).parent / "bundled"
NAMES = ("still-life", "still-life-fast", "still-life-instruct", "still-life-pixel")
WIDTH = 16
SMALLER: dict[str, dict[str, Any]] = {
    "unet": {"block_out_channels": [8, 16], "norm_num_groups": 4, "cross_attention_dim": WIDTH},
    "vae": {"block_out_channels": [8, 8, 16], "norm_num_groups": 4},
    "text_encoder": {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
}


def tiny_bundled(root: Path) -> dict[str, Path]:
    """Write a folder for every bundled model; its parts are shared as they are in the package."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name in NAMES:
            for part in sorted(path for path in (BUNDLED / name).iterdir() if path.is_dir()):
                _write(part, root / name / part.name)
            for file in (BUNDLED / name).glob("*.json"):
                shutil.copy(file, root / name)
    return {name: root / name for name in NAMES}


def _write(part: Path, target: Path) -> None:
    if part.name not in SMALLER:
        shutil.copytree(part, target)
        return
    config = json.loads((part / "config.json").read_text())
    changes = {key: value for key, value in SMALLER[part.name].items() if config.get(key) is not None}
    if "block_out_channels" in changes:
        changes["block_out_channels"] = [8, *[16] * (len(config["block_out_channels"]) - 1)]
    if "attention_head_dim" in config:
        changes["attention_head_dim"] = min(4, config["attention_head_dim"])
    _network({**config, **changes}).eval().save_pretrained(str(target))


def _network(config: dict[str, Any]) -> Any:
    import diffusers
    from transformers import CLIPTextConfig, CLIPTextModel

    if "_class_name" in config:
        return getattr(diffusers, config["_class_name"]).from_config(config)
    return CLIPTextModel(CLIPTextConfig(**config))


def loads_tiny(folders: dict[str, Path]) -> Any:
    """What to put in place of the loader of bundled models: each folder is loaded once."""
    from scumble.models.loading.folder import load_folder

    loaded: dict[str, Model] = {}

    def load(name: str, device: torch.device, dtype: torch.dtype) -> Model:
        if name not in loaded:
            loaded[name] = load_folder(folders[name], name, torch.device("cpu"), torch.float32)
        return loaded[name]

    return load
