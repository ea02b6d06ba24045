"""One safetensors file: whether it is one, what it holds, and under a name by which libraries know it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from scumble.errors import CheckpointError

__all__ = ["has_safetensors_header", "keys_of", "own_dtype", "plain_name", "tensors_of"]

PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


def has_safetensors_header(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON object, and the object."""
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size


def keys_of(path: Path) -> list[str]:
    """Return the names of the tensors in a file; CheckpointError if it is no readable safetensors file."""
    _refuse_pickles(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            return list(file.keys())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path.name} is no readable safetensors file: {error}") from error


def own_dtype(paths: Iterable[Path], starts: tuple[str, ...] = ("",)) -> torch.dtype:
    """Return the precision of all matrices whose names begin so: a half one, or float32 where they differ."""
    kinds: set[str] = set()
    for path in paths:
        with safe_open(str(path), framework="pt") as file:
            slices = (file.get_slice(key) for key in file.keys() if key.startswith(starts))  # noqa: SIM118
            kinds |= {one.get_dtype() for one in slices if len(one.get_shape()) > 1}
    only = next(iter(kinds)) if len(kinds) == 1 else ""
    return {"F16": torch.float16, "BF16": torch.bfloat16}.get(only, torch.float32)


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file; CheckpointError if it is no readable safetensors file."""
    _refuse_pickles(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except Exception as error:  # types that this torch does not know, too
        raise CheckpointError(f"{path.name} is no readable safetensors file: {error}") from error


@contextmanager
def plain_name(path: Path) -> Iterator[Path]:
    """Give a file under a name that ends in ``.safetensors``: other readers would take any other for a pickle."""
    if path.suffix == ".safetensors":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        renamed = Path(folder) / f"{path.stem}.safetensors"
        try:
            renamed.symlink_to(path.resolve())
        except OSError:
            try:
                os.link(path, renamed)
            except OSError:
                shutil.copyfile(path, renamed)
        yield renamed


def _refuse_pickles(path: Path) -> None:
    if path.suffix.lower() in PICKLED and not has_safetensors_header(path):
        raise CheckpointError(
            f"{path.name} is a pickle ({path.suffix}), and loading a pickle can run any code hidden in it: convert it"
            " to .safetensors first"
        )
