"""Memory of this process or its GPU, in bytes: in use, highest so far, free, and the peak of a stretch of work."""

from __future__ import annotations

import sys
from types import TracebackType

import psutil
import torch

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["PeakMemory", "free", "in_use", "peak", "reset_peak"]


def in_use(device: torch.device) -> int:
    """Return what torch has allocated on a CUDA device; elsewhere the process's resident set."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return int(psutil.Process().memory_info().rss)


def peak(device: torch.device) -> int:
    """Return the highest memory in use: on CUDA since :func:`reset_peak`, elsewhere since the process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if resource is None:
        return int(psutil.Process().memory_info().peak_wset) if sys.platform == "win32" else in_use(device)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024  # kilobytes on Linux


def reset_peak(device: torch.device) -> None:
    """Count a CUDA device's peak from now on; the peak of a process cannot be reset."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def free(device: torch.device) -> int:
    """Return what can still be allocated, counting what torch has cached on a CUDA device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return int(psutil.virtual_memory().available)


class PeakMemory:
    """Context manager: ``peak`` is the highest memory above the start, in bytes.

    On the CPU it is the growth of the process's largest resident set (0 when an earlier stretch needed more).
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.peak = 0
        self._start = 0

    def __enter__(self) -> PeakMemory:
        reset_peak(self.device)
        self._start = in_use(self.device) if self.device.type == "cuda" else peak(self.device)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.peak = max(peak(self.device) - self._start, 0)
