"""Files of edit directions."""

from __future__ import annotations

from pathlib import Path

import torch

from scumble.core.conditioning import Conditioning
from scumble.errors import CheckpointError
from scumble.files import atomic_write

__all__ = ["load_direction", "save_direction"]


def save_direction(path: str | Path, source: Conditioning, target: Conditioning) -> Path:
    """Write the direction from ``source`` to ``target`` (1, L, D) as safetensors; never half of it."""
    from safetensors.torch import save_file

    tensors = {"direction": (target.text - source.text).contiguous().cpu()}
    if source.pooled is not None and target.pooled is not None:
        tensors["pooled"] = (target.pooled - source.pooled).contiguous().cpu()
    with atomic_write(Path(path)) as temporary:
        save_file(tensors, temporary)
    return Path(path)


def load_direction(path: str | Path) -> tuple[Conditioning, Conditioning]:
    """Read a direction file as a pair (zero, direction).

    Raises:
        CheckpointError: If it is no such file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(Path(path))
        step = tensors["direction"]
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"{Path(path).name!r} is no edit direction: make one with save_direction") from error
    pooled = tensors.get("pooled")
    zero = Conditioning(torch.zeros_like(step), None if pooled is None else torch.zeros_like(pooled))
    return zero, Conditioning(step, pooled)
