"""Networks brought to a device and a precision, one tensor after the other, and let go of the file that they came from.

A weight that is converted was read through the mapped file, whose pages then count as the process's memory until it
ends or the file is unmapped: beside what the network needs the whole file lay there, too.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["placed"]

Network = TypeVar("Network", bound=nn.Module)
DROP = 4
"""``MADV_DONTNEED`` of Linux: the pages are read again from the file by who needs them."""


def placed(network: Network, device: torch.device, dtype: torch.dtype | None = None) -> Network:
    """Return the network, frozen, on a device, its floating-point weights in a precision (None: each in its own).

    What has both already stays where it is, also in a mapped file.
    """
    maps, known = list(_mapped_files()), dict[int, Tensor]()
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                moved = known.setdefault(id(parameter), _moved(parameter.data, device, dtype, maps))
                module._parameters[name] = nn.Parameter(moved, requires_grad=False)
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else _moved(buffer, device, dtype, maps)
    return network


def _moved(tensor: Tensor, device: torch.device, dtype: torch.dtype | None, maps: Iterable[range]) -> Tensor:
    moved = tensor.to(device, dtype if tensor.is_floating_point() else None)
    if moved is not tensor:
        _let_go(tensor, maps)
    return moved


def _let_go(tensor: Tensor, maps: Iterable[range]) -> None:
    """Let the whole pages of a tensor go if they are those of a file: what is nowhere else must stay."""
    if tensor.device.type != "cpu" or not tensor.numel():
        return
    span = sum((side - 1) * step for side, step in zip(tensor.shape, tensor.stride(), strict=True)) + 1
    first = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (tensor.data_ptr() + span * tensor.element_size()) // mmap.PAGESIZE * mmap.PAGESIZE
    if first < last and any(first in one and last - 1 in one for one in maps):
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), DROP)


def _mapped_files() -> Iterable[range]:
    """Addresses at which safetensors files are mapped (Linux; elsewhere none is known)."""
    if not sys.platform.startswith("linux"):
        return
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.lower().endswith(".safetensors"):
            low, high = (int(edge, 16) for edge in line.split(maxsplit=1)[0].split("-"))
            yield range(low, high)
