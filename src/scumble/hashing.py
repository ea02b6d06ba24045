"""SHA-256 of bytes, files, tensors and networks: the identity of everything that decides a result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["files_sha256", "sha256", "state_sha256", "tensor_sha256", "tensors_sha256"]


def sha256(*parts: str | bytes) -> str:
    """Return the SHA-256 (hex) of texts (as UTF-8) and bytes, one after the other."""
    return _digest(part.encode() if isinstance(part, str) else part for part in parts)


def files_sha256(paths: Sequence[Path]) -> str:
    """Return the SHA-256 (hex) of a file, or of several one after the other in the order of their names."""
    return _digest(block for path in sorted(paths) for block in _blocks(path))


def tensor_sha256(tensor: Tensor) -> str:
    """Return the SHA-256 (hex) of a tensor's shape and float32 bytes."""
    data = tensor.detach().to("cpu").float().contiguous().numpy()
    return sha256(str(data.shape), data.tobytes())


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 (hex) over names, shapes, types and bytes, in the order of the names."""
    return _digest(
        part
        for name, tensor in sorted(tensors.items())
        for part in (f"{name}:{tuple(tensor.shape)}:{tensor.dtype}:".encode(), _bytes(tensor))
    )


def state_sha256(module: nn.Module) -> str:
    """Return the SHA-256 (hex) over names, types, shapes and bytes of a network's state, in the order of the names."""
    return _digest(
        part
        for name, tensor in sorted(module.state_dict().items())
        for part in (f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode(), _bytes(tensor))
    )


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            yield block


def _bytes(tensor: Tensor) -> bytes:
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
