"""Where a training run keeps its files, and how one model finds the ones it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from torch import nn

from scumble.errors import CheckpointError
from scumble_lab.training.config import Size
from scumble_lab.training.data import World, open_world
from scumble_lab.training.storage import Checkpoint, latest_checkpoint

__all__ = ["RunFolder", "load_average"]


@dataclass(frozen=True)
class RunFolder:
    """The working folder of one size: `cache/` for pictures, one folder per model."""

    root: Path
    size: Size

    def folder(self, model: str) -> Path:
        """Checkpoints, log and sheet of that model."""
        return self.root / self.size.name / model

    def world(self, quiet: bool = False) -> World:
        """The pictures; rendered first if they are not there or half-written."""
        with Progress(disable=quiet) as bar:
            line = bar.add_task("scenes", total=self.size.scenes)
            return open_world(
                self.root / "cache",
                size=self.size.picture,
                scenes=self.size.scenes,
                held_out=self.size.held_out,
                device=self.size.device,
                batch=self.size.render_batch,
                on_progress=lambda done, total: bar.update(line, completed=done, total=total),
            )

    def checkpoint(self, model: str) -> Checkpoint:
        """The newest complete checkpoint of that model.

        Raises:
            CheckpointError: if there is none, with the command that makes it.
        """
        newest = latest_checkpoint(self.folder(model))
        if newest is None:
            command = f"scumble train {model} --size {self.size.name} --out {self.root}"
            raise CheckpointError(f"no complete checkpoint of the {model} in {self.folder(model)}: run `{command}`")
        return newest


def load_average(checkpoint: Checkpoint, name: str, module: nn.Module) -> nn.Module:
    """Put the averaged weights of the network `name` into `module`, in eval mode.

    Raises:
        CheckpointError: if the checkpoint is of another model or size.
    """
    prefix = f"{name}."
    averaged = {key.removeprefix(prefix): v for key, v in checkpoint.tensors("ema").items() if key.startswith(prefix)}
    names = {key for key, _ in module.named_parameters()}
    if set(averaged) != names:
        raise CheckpointError(f"{checkpoint.folder} does not fit this {name}: it was trained with another size")
    module.load_state_dict(averaged, strict=False)
    return module.eval()
