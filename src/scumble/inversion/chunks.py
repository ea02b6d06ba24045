"""Choose how many noise levels share one network call, limited by memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scumble import memory

__all__ = ["Chunks"]

LARGEST_CPU, LARGEST_GPU = 16, 32
SHARE = 0.5
"""Share of the free memory that a call may fill."""


class Chunks:
    """Sizes of consecutive network calls. Unless told, the first call has one level and shows what a level takes.

    Sizes are powers of two up to a fixed one, so that the same machine makes the same chunks as long as its memory
    is not short: the last bits of a result depend on them.

    Args:
        device: Where the network runs.
        size: Levels per call, or None to choose.
    """

    def __init__(self, device: torch.device, size: int | None = None) -> None:
        self.device = torch.device(device)
        self.size = size

    @contextmanager
    def measured(self) -> Iterator[int]:
        """Yield the size of the next call; what happens inside is measured when that is still to be known."""
        if self.size is not None:
            yield self.size
            return
        memory.reset_peak(self.device)
        before = memory.in_use(self.device)
        yield 1
        taken = max(memory.peak(self.device) - before, 1)  # on the CPU of the whole process: rather too much
        largest = LARGEST_GPU if self.device.type == "cuda" else LARGEST_CPU
        fitting = max(int(SHARE * memory.free(self.device) / taken), 1)
        self.size = min(largest, 1 << (fitting.bit_length() - 1))
