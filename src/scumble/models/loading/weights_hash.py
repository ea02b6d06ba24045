"""The identity of a network's weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

__all__ = ["files_sha256", "state_sha256"]


def files_sha256(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of a file, or of several one after the other in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def state_sha256(module: nn.Module) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of a network's state, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
