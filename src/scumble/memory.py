"""Peak memory of a stretch of work, on the device that did it."""

from __future__ import annotations

import resource
import sys
from types import TracebackType

import torch

__all__ = ["PeakMemory"]


class PeakMemory:
    """Context manager: ``peak`` is the highest memory above the start, in bytes.

    On CUDA it is what torch allocated; elsewhere the growth of the process's largest resident set (0 when an earlier
    stretch of the process needed more).
    """

    def __init__(self, device: torch.device | str) -> None:
        self.cuda = torch.device(device).type == "cuda"
        self.peak = 0
        self._start = 0

    def __enter__(self) -> PeakMemory:
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            self._start = torch.cuda.memory_allocated()
        else:
            self._start = _resident()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        now = torch.cuda.max_memory_allocated() if self.cuda else _resident()
        self.peak = max(now - self._start, 0)


def _resident() -> int:
    """Largest resident set of this process so far, in bytes (kilobytes on Linux, bytes on macOS)."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
