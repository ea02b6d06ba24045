"""Which workers there are to be: one for each device, as many as asked on a processor."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.work.local import Seat

__all__ = ["devices_here", "seats"]


def devices_here() -> list[str]:
    """The devices of this machine that are worth a worker, looked up without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = 0 if visible.strip() in ("", "-1", "NoDevFiles") else len(visible.split(","))
    else:
        known = Path("/proc/driver/nvidia/gpus")
        count = len(list(known.iterdir())) if known.is_dir() else 0
    if count:
        return [f"cuda:{k}" for k in range(count)]
    return ["mps"] if sys.platform == "darwin" and platform.machine() == "arm64" else ["cpu"]


def seats(workers: str | int | Sequence[str], options: dict[str, Any]) -> list[Seat]:
    """A seat for each worker.

    Args:
        workers: ``auto`` (a worker for each device), how many (spread over the devices), or names of devices.
        options: What each worker is made with, besides its device.

    Raises:
        InputError: If a number is not from 1 to 256.
    """
    if isinstance(workers, str) and workers.isdigit():
        workers = int(workers)
    if isinstance(workers, int):
        if not 1 <= workers <= 256:
            raise InputError(f"workers must be from 1 to 256, got {workers}")
        there = devices_here()
        devices = [there[k % len(there)] for k in range(workers)]
    elif isinstance(workers, str):
        devices = devices_here() if workers == "auto" else [one.strip() for one in workers.split(",") if one.strip()]
    else:
        devices = list(workers)
    if not devices:
        raise InputError("no workers: give auto, a number, or devices such as cuda:0,cuda:1")
    names = [f"{device}#{devices[:k].count(device)}" if devices.count(device) > 1 else device
             for k, device in enumerate(devices)]  # fmt: skip
    return [Seat(name, {**options, "device": device}) for name, device in zip(names, devices, strict=True)]
