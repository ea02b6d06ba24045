"""Several processes that train one model together under torchrun: each draws its own batch, gradients are averaged.

On a shared CPU two processes with one thread each are faster than one with two threads, which waits for
itself at every operation; on a machine with several GPUs it is the usual data parallelism.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from scumble.errors import InputError

__all__ = ["ALONE", "Team", "join"]


@dataclass(frozen=True, slots=True)
class Team:
    """This process's number among `size` processes; number 0 measures, logs and saves."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that measures, logs and saves."""
        return self.rank == 0

    def share_of(self, batch: int) -> int:
        """How many samples of a batch are this process's.

        Raises:
            InputError: if the batch cannot be divided evenly.
        """
        if batch % self.size:
            raise InputError(f"a batch of {batch} cannot be divided evenly among {self.size} processes")
        return batch // self.size

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients of all processes by their mean."""
        if self.size == 1:
            return
        used = [p for p in parameters if p.requires_grad]
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in used]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        flat /= self.size
        for parameter, part in zip(used, flat.split([grad.numel() for grad in grads]), strict=True):
            parameter.grad = part.view(parameter.shape).contiguous(
                memory_format=torch.channels_last if parameter.dim() == 4 else torch.contiguous_format
            )

    def agreed(self, value: float) -> float:
        """The leader's value, in all processes."""
        if self.size == 1:
            return value
        held = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(held, 0)
        return float(held)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """The leader runs the block first, the others after: for files that are made once."""
        if not self.leads:
            dist.barrier()
        yield
        if self.leads and self.size > 1:
            dist.barrier()


ALONE = Team()


@contextmanager
def join() -> Iterator[Team]:
    """The team that torchrun set up, or this process alone."""
    if "WORLD_SIZE" not in os.environ:
        yield ALONE
        return
    dist.init_process_group("gloo", timeout=timedelta(hours=1))
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
