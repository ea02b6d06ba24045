"""Files of trained LoRAs, kept by a hash of picture, model and settings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scumble.files import atomic_write
from scumble.hashing import sha256, tensors_sha256
from scumble.models.base import Model

__all__ = ["Adapter", "cache_folder", "is_whole", "write_lora"]


@dataclass(frozen=True)
class Adapter:
    """Settings of a LoRA's training.

    Attributes:
        prompt: What the picture shows.
        steps: Updates.
        rank: Rank r of the updates.
        learning_rate: Of AdamW.
        batch: Draws of noise and level per update.
        seed: Of the draws.
    """

    prompt: str
    steps: int = 80
    rank: int = 16
    learning_rate: float = 5e-4
    batch: int = 4
    seed: int = 0

    def name(self, model: Model, picture: Tensor) -> str:
        """The file that keeps it: a hash of picture, model and settings."""
        settings = json.dumps([self.prompt, self.steps, self.rank, self.learning_rate, self.batch, self.seed])
        values = picture.detach().float().cpu().contiguous().numpy().tobytes()
        return f"{sha256(f'{model.weights_hash}/{settings}/{tuple(picture.shape)}/', values)[:32]}.safetensors"


def cache_folder() -> Path:
    """Where LoRAs are kept: ``$SCUMBLE_CACHE/lora``, or the user's cache folder."""
    folder = os.environ.get("SCUMBLE_CACHE")
    if folder:
        return Path(folder) / "lora"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scumble" / "lora"


def write_lora(state: dict[str, Tensor], path: Path, adapter: Adapter) -> None:
    """Write a LoRA with a checksum; never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"format": "pt", "rank": str(adapter.rank), "prompt": adapter.prompt, "steps": str(adapter.steps)}
    about["sha256"] = tensors_sha256(state)
    with atomic_write(path) as unfinished:
        save_file(state, unfinished, about)


def is_whole(path: Path) -> bool:
    """Whether a kept file is there and holds what was written; those of version 0.1 have no checksum."""
    try:
        with safe_open(path, "pt") as file:
            about, state = file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return False
    return about.get("sha256", "") in ("", tensors_sha256(state))
