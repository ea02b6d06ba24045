"""Tensors and JSON in one safetensors file, written at once or not at all, and checked when read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scumble.errors import CheckpointError, InputError
from scumble.files import atomic_write
from scumble.hashing import tensors_sha256

__all__ = ["SUFFIX", "read", "write"]

SUFFIX = ".inversion.safetensors"
FORMAT = "scumble-inversion-1"


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write the file under a temporary name and move it into place.

    Raises:
        InputError: If the name has another extension, the folder does not exist, or cannot be written.
    """
    if not path.name.endswith(SUFFIX):
        raise InputError(f"an inversion is saved as NAME{SUFFIX}, not as {path.name!r}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of the output does not exist")
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    meta = {"format": FORMAT, "sha256": tensors_sha256(stored), "about": json.dumps(about)}
    with atomic_write(path) as temporary:
        save_file(stored, temporary, metadata=meta)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors, on the CPU, and what is said about them.

    Raises:
        CheckpointError: If the file is missing, damaged, cut short, or no inversion.
    """
    if not path.is_file():
        raise CheckpointError(f"the inversion {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            if meta.get("format") != FORMAT:
                raise CheckpointError(f"{path.name} is no inversion that this version reads (expected {FORMAT})")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = json.loads(meta["about"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"the inversion {path.name} is damaged or cut short: {error}; invert again") from error
    if tensors_sha256(tensors) != meta.get("sha256"):
        raise CheckpointError(f"the inversion {path.name} is damaged: its contents do not match its checksum")
    return tensors, about
