"""Device and precision by the names that users give."""

from __future__ import annotations

import torch

from scumble.errors import InputError, nearest

__all__ = ["DTYPES", "parse_device", "parse_dtype"]

DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


def parse_device(device: str | torch.device | None) -> torch.device:
    """Return the device that ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``auto`` (the same as None) names.

    Raises:
        InputError: If there is no such device here.
    """
    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    known = ("cpu", "cuda", "mps", "auto")
    try:
        parsed = torch.device(device)
    except RuntimeError as error:
        hint = nearest(str(device), known)
        raise InputError(f"device must be cpu, cuda, cuda:N, mps or auto, got {str(device)!r}{hint}") from error
    if parsed.type not in known:
        raise InputError(f"device must be cpu, cuda, cuda:N, mps or auto, got {str(device)!r}")
    if parsed.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (parsed.index or 0) >= count:
            what = f"{count} CUDA GPU(s)" if count else "no CUDA GPU (or a build without CUDA)"
            raise InputError(f"device {str(device)!r} is not here: torch sees {what}; use device='auto' or 'cpu'")
    if parsed.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' is not here: it needs a Mac with Apple silicon; use device='auto' or 'cpu'")
    return parsed


def parse_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """Return the precision of the network; None is float32, ``auto`` float16 on CUDA and float32 elsewhere.

    Raises:
        InputError: If it is none of these, float16 (fp16) and bfloat16 (bf16).
    """
    if dtype is None:
        return torch.float32
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    parsed = DTYPES.get(str(dtype).removeprefix("torch.").lower())
    if parsed is None:
        hint = nearest(str(dtype), DTYPES)
        raise InputError(f"dtype must be float32, float16 (fp16), bfloat16 (bf16) or auto, got {str(dtype)!r}{hint}")
    return parsed
