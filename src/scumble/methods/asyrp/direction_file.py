"""The file of a direction: what is known of it, its network and its mean shifts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scumble.errors import CheckpointError
from scumble.files import atomic_write
from scumble.methods.asyrp.delta import DeltaBlock

__all__ = ["DirectionInfo", "read_direction", "write_direction"]

FORMAT = "scumble-hspace-1"


@dataclass(frozen=True)
class DirectionInfo:
    """The header of a direction.

    Attributes:
        source: What the pictures show, in words.
        target: What they show after the shift.
        t_edit: Timestep down to which the shift acts.
        t_boost: Timestep below which noise is added at each step.
        steps: Steps of a run with which it was trained: with more steps each shift must be smaller.
        model: Name of the model.
        model_sha256: SHA-256 of its weights.
    """

    source: str = ""
    target: str = ""
    t_edit: int = 500
    t_boost: int = 200
    steps: int = 50
    model: str = ""
    model_sha256: str = ""


def write_direction(
    path: Path, about: DirectionInfo, block: DeltaBlock | None, means: dict[int, Tensor], dtype: torch.dtype
) -> Path:
    """Write the parts of a direction, rounded to ``dtype``; never half of them."""
    tensors = {f"mean.{t}": shift for t, shift in means.items()}
    if block is not None:
        tensors |= {f"block.{k}": v for k, v in block.state_dict().items()}
    tensors = {k: v.detach().cpu().to(dtype).contiguous() for k, v in tensors.items()}
    meta = {"format": FORMAT, "about": json.dumps(asdict(about))}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata=meta)
    return path


def read_direction(path: Path) -> tuple[DirectionInfo, DeltaBlock | None, dict[int, Tensor]]:
    """Read the parts of a direction.

    Raises:
        CheckpointError: If it is missing, damaged, or no direction.
    """
    name = path.name
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            if meta.get("format") != FORMAT:
                raise CheckpointError(f"{name} is no direction of the bottleneck (expected {FORMAT})")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        about = DirectionInfo(**json.loads(meta["about"]))
        means = {int(key[5:]): shift.float() for key, shift in tensors.items() if key.startswith("mean.")}
        weights = {key[6:]: weight for key, weight in tensors.items() if key.startswith("block.")}
        _check_means(means, needed=not weights)
        return about, _block(weights) if weights else None, means
    except (
        OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError, IndexError, AttributeError,
        RecursionError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"the direction {name} cannot be read: {reason}; train it again") from error


def _check_means(means: dict[int, Tensor], needed: bool) -> None:
    if needed and not means:
        raise ValueError("it holds neither a network nor a shift")
    for t, shift in means.items():
        if shift.dim() != 4 or shift.shape[0] != 1 or not bool(shift.isfinite().all()):
            raise ValueError(f"mean.{t} has shape {tuple(shift.shape)}, expected finite (1, C, h, w)")


def _block(weights: dict[str, Any]) -> DeltaBlock:
    projection = weights.get("temb_proj.weight")
    block = DeltaBlock(weights["conv1.weight"].shape[0], None if projection is None else projection.shape[1])
    block.load_state_dict(weights)
    return block.eval().requires_grad_(False)
