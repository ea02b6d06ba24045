"""One attribute as a shift of the bottleneck, and its file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scumble.controls.asymmetric_step import AsyrpShift
from scumble.errors import CheckpointError, InputError
from scumble.files import atomic_write
from scumble.methods.asyrp.delta import DeltaBlock
from scumble.models.base import Model

__all__ = ["DirectionInfo", "Direction", "joint_shift", "shift_of"]

FORMAT = "scumble-hspace-1"


@dataclass(frozen=True)
class DirectionInfo:
    """What is known of a direction.

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


@dataclass
class Direction:
    """A shift of h: given by a network, or the same for all pictures.

    Attributes:
        about: What it is.
        block: The network, or None.
        means: Timestep -> mean shift (1, C, h', w'); -1 stands for all timesteps. Used where there is no network.
    """

    about: DirectionInfo = field(default_factory=DirectionInfo)
    block: DeltaBlock | None = None
    means: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, h: Tensor, temb: Tensor | None, t: float) -> Tensor:
        """Return the shift for h (B, C, h', w') at timestep t."""
        if self.block is not None:
            dtype = next(self.block.parameters()).dtype
            return self.block(h.to(dtype), None if temb is None else temb.to(dtype)).to(h.dtype)
        near = -1 if -1 in self.means else min(self.means, key=lambda known: abs(known - t))
        return self.means[near].to(h).expand(h.shape)

    def fits(self, model: Model, name: str) -> None:
        """Refuse a model that it was not made for.

        Raises:
            InputError: Naming both.
        """
        if self.about.model_sha256 and self.about.model_sha256 != model.weights_hash:
            raise InputError(
                f"the direction {name} was made with the model {self.about.model} (weights"
                f" {self.about.model_sha256[:12]}…), this is {model.name} (weights {model.weights_hash[:12]}…):"
                " load that model, or train the direction again"
            )

    def to(self, device: torch.device) -> Direction:
        """The same direction on a device."""
        block = None if self.block is None else self.block.to(device)
        return Direction(self.about, block, {t: shift.to(device) for t, shift in self.means.items()})

    def save(self, path: str | Path, dtype: torch.dtype = torch.float32) -> Path:
        """Write it as safetensors; never half of it.

        Args:
            path: Where to.
            dtype: In float16 the file is half as large; it is read back as float32.
        """
        tensors = {f"mean.{t}": shift for t, shift in self.means.items()}
        if self.block is not None:
            tensors |= {f"block.{k}": v for k, v in self.block.state_dict().items()}
        tensors = {k: v.detach().cpu().to(dtype).contiguous() for k, v in tensors.items()}
        meta = {"format": FORMAT, "about": json.dumps(asdict(self.about))}
        with atomic_write(Path(path)) as temporary:
            save_file(tensors, temporary, metadata=meta)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Direction:
        """Read a direction.

        Raises:
            CheckpointError: If it is missing, damaged, or no direction.
        """
        name = Path(path).name
        try:
            with safe_open(Path(path), framework="pt") as file:
                meta = file.metadata() or {}
                if meta.get("format") != FORMAT:
                    raise CheckpointError(f"{name} is no direction of the bottleneck (expected {FORMAT})")
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            about = DirectionInfo(**json.loads(meta["about"]))
            means = {int(key[5:]): shift.float() for key, shift in tensors.items() if key.startswith("mean.")}
            weights = {key[6:]: weight for key, weight in tensors.items() if key.startswith("block.")}
            _check_means(means, needed=not weights)
            return cls(about, _block(weights) if weights else None, means)
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


def joint_shift(
    directions: Sequence[Direction], strengths: Sequence[float], h: Tensor, temb: Tensor | None, t: float, steps: int
) -> Tensor:
    """Return the shift of several attributes at once (arXiv 2210.10960 section 5.2).

    Each is multiplied by its strength and by ``n_train / n_test``, since a run of more steps is shifted more often;
    k attributes are divided by ``sqrt(k)``.
    """
    total = torch.zeros_like(h)
    for direction, strength in zip(directions, strengths, strict=True):
        total = total + strength * direction.about.steps / steps * direction(h, temb, t)
    return total / math.sqrt(len(directions))


def shift_of(directions: list[Direction], strengths: tuple[float, ...], steps: int) -> AsyrpShift:
    """The shift of the bottleneck by all directions together."""
    return lambda h, temb, t: joint_shift(directions, strengths, h, temb, t, steps)
