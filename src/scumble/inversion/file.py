"""Tensors and JSON in one safetensors file, written at once or not at all, and checked when read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scumble.errors import CheckpointError, InputError
from scumble.files import atomic_write
from scumble.hashing import sha256, tensors_sha256
from scumble.inversion.about import checked
from scumble.untrusted import parse_json, printable

__all__ = ["SUFFIX", "read", "write"]

SUFFIX = ".inversion.safetensors"
FORMAT = 2
"""Version of the layout. Since 2 what is said about the tensors is under the checksum, too; 1 was written by 0.1."""
_FORMAT = re.compile(r"scumble-inversion-(\d{1,4})")


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
    try:
        text = json.dumps(about, allow_nan=False)
    except ValueError as error:
        raise InputError(f"the inversion cannot be saved: it says numbers that are not finite ({error})") from error
    meta = {
        "format": f"scumble-inversion-{FORMAT}",
        "sha256": sha256(tensors_sha256(stored), text),
        "about": text,
        "needs": version("scumble"),
    }
    with atomic_write(path) as temporary:
        save_file(stored, temporary, metadata=meta)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors, on the CPU, and what is said about them, both checked.

    Raises:
        CheckpointError: If the file is missing, damaged, cut short, of a newer format, or no inversion.
    """
    if not path.is_file():
        raise CheckpointError(f"the inversion {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            layout = _layout(meta, path.name)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = meta["about"]
        about = json.loads(text) if layout == 1 else parse_json(text, "what it says")
    except (SafetensorError, OSError, ValueError, KeyError, RecursionError, InputError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise CheckpointError(f"the inversion {path.name} is damaged or cut short: {reason}; invert again") from error
    contents = tensors_sha256(tensors)
    if meta.get("sha256") != (contents if layout == 1 else sha256(contents, text)):
        raise CheckpointError(f"the inversion {path.name} is damaged: its contents do not match its checksum")
    return tensors, checked(about, tensors, path.name, layout)


def _layout(meta: Mapping[str, str], name: str) -> int:
    match = _FORMAT.fullmatch(meta.get("format", ""))
    if match is None or match[1] == "0":
        raise CheckpointError(
            f"{name} is no inversion that this version reads (expected scumble-inversion-1 to {FORMAT})"
        )
    if int(match[1]) > FORMAT:
        needs = f"Scumble {printable(meta['needs'][:40])}" if meta.get("needs") else "a newer version of Scumble"
        raise CheckpointError(
            f"the inversion {name} has format {match[1]}: it needs {needs}, this one reads up to {FORMAT}"
        )
    return int(match[1])
