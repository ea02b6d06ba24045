"""On what a training runs: the processes that torchrun started, one device each, and mixed precision."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

__all__ = ["accelerator_for", "has_bf16"]


def accelerator_for(device: torch.device | str, bf16: bool) -> Accelerator:
    """Return this process's part of the training: alone, or one of those that torchrun started.

    Each process draws its own samples and the gradients are averaged. On a shared CPU two processes with one thread
    each are faster than one with two threads, which waits for itself at every operation.

    Args:
        device: Of the networks.
        bf16: Compute in bf16 where the device does so in hardware.
    """
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=1))  # the first process renders, measures and saves
    return Accelerator(
        cpu=torch.device(device).type == "cpu",
        mixed_precision="bf16" if bf16 and has_bf16(device) else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True), patience],
    )


def has_bf16(device: torch.device | str) -> bool:
    """Whether bf16 is worth using there, which accelerate does not ask.

    Always on accelerators; a CPU without its instructions emulates it, ten times slower than float32.
    """
    return torch.device(device).type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
