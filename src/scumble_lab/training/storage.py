"""Checkpoints as safetensors and JSON: written beside, checked by CRC, moved into place; never a pickle.

accelerate's own save_state pickles the optimizer and each process's random states, whatever hooks are registered;
these files are read by any number of processes, and by whoever publishes.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scumble.errors import CheckpointError, ScumbleError
from scumble.files import atomic_write, flush

__all__ = ["Checkpoint", "complete_checkpoints", "disk_errors", "latest_checkpoint", "save_checkpoint"]

_MARK = "state.json"
_PREFIX = "step-"
_KEEP = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One complete checkpoint: named groups of tensors and plain state."""

    folder: Path
    state: dict[str, Any]

    def tensors(self, group: str) -> dict[str, Tensor]:
        """The tensors saved as `group`.

        Raises:
            CheckpointError: if the group is missing or damaged.
        """
        path = self.folder / f"{group}.safetensors"
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"cannot read {path}: {error}") from error


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one clear line.

    Raises:
        ScumbleError: naming the path, and the space left on its disk.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        if full:
            free = shutil.disk_usage(_existing(path)).free / 2**20
            raise ScumbleError(
                f"no space left while writing {path} ({free:.0f} MiB free): make room or choose another --out"
            ) from error
        raise ScumbleError(f"cannot write {path}: {error}") from error


def save_checkpoint(
    root: Path, step: int, groups: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Write one checkpoint under `root`; it exists completely or not at all. The last two are kept.

    Raises:
        ScumbleError: if the disk is full or cannot be written.
    """
    final = root / f"{_PREFIX}{step:08d}"
    partial = root / f".partial-{os.getpid()}"
    with disk_errors(root):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            files = {}
            for group, tensors in groups.items():
                path = partial / f"{group}.safetensors"
                save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, path)
                flush(path)
                files[path.name] = {"bytes": path.stat().st_size, "crc32": _crc32(path)}
            with atomic_write(partial / _MARK) as mark:
                mark.write_text(json.dumps({**state, "step": step, "files": files}, indent=1))
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
            flush(root)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    for old in _folders(root)[:-_KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def latest_checkpoint(root: Path) -> Checkpoint | None:
    """The newest complete checkpoint under `root`; half-written or damaged ones are passed over."""
    return next(complete_checkpoints(root), None)


def complete_checkpoints(root: Path) -> Iterator[Checkpoint]:
    """All complete checkpoints under `root`, the newest first."""
    for folder in reversed(_folders(root)):
        state = _checked_state(folder)
        if state is not None:
            yield Checkpoint(folder, state)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.glob(f"{_PREFIX}*") if path.is_dir()) if root.is_dir() else []


def _checked_state(folder: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads((folder / _MARK).read_text())
        for name, known in state["files"].items():
            path = folder / name
            if path.stat().st_size != known["bytes"] or _crc32(path) != known["crc32"]:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return state


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            value = zlib.crc32(block, value)
    return value


def _existing(path: Path) -> Path:
    return next((p for p in (path, *path.parents) if p.exists()), Path("/"))
