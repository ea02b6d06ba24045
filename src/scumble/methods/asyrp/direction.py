"""One attribute as a shift of the bottleneck."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from scumble.errors import InputError
from scumble.methods.asyrp.delta import DeltaBlock
from scumble.methods.asyrp.direction_file import DirectionInfo, read_direction, write_direction
from scumble.models.base import Model

__all__ = ["Direction", "DirectionInfo"]


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
        return write_direction(Path(path), self.about, self.block, self.means, dtype)

    @classmethod
    def load(cls, path: str | Path) -> Direction:
        """Read a direction.

        Raises:
            CheckpointError: If it is missing, damaged, or no direction.
        """
        return cls(*read_direction(Path(path)))
