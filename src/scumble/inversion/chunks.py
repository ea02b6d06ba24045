"""How many levels go into one network call: as many as pay, fewer where the memory is short."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

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
        before = self._in_use(reset=True)
        yield 1
        taken = max(self._peak() - before, 1)
        largest = LARGEST_GPU if self.device.type == "cuda" else LARGEST_CPU
        fitting = max(int(SHARE * self._free() / taken), 1)
        self.size = min(largest, 1 << (fitting.bit_length() - 1))

    def _in_use(self, reset: bool = False) -> int:
        if self.device.type == "cuda":
            if reset:
                torch.cuda.reset_peak_memory_stats(self.device)
            return torch.cuda.memory_allocated(self.device)
        return _proc("/proc/self/statm", 1, resource.getpagesize())

    def _peak(self) -> int:
        """Highest use so far; on the CPU of the whole process, so that a level's need is never underestimated."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024

    def _free(self) -> int:
        if self.device.type == "cuda":
            cached = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
            return torch.cuda.mem_get_info(self.device)[0] + cached
        for line in _lines("/proc/meminfo"):
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 1024
        return 4 << 30


def _proc(path: str, field: int, unit: int) -> int:
    lines = _lines(path)
    return int(lines[0].split()[field]) * unit if lines else 0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:  # no /proc: macOS, Windows
        return []
