"""In what precision a network computes, which need not be that of its weights."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["compute_dtype"]


def compute_dtype(network: Any) -> torch.dtype:
    """Return in what precision a network computes, also where its weights are stored in less (layer-wise casting)."""
    dtype: torch.dtype = next(network.parameters()).dtype
    if dtype.itemsize > 1:
        return dtype
    stated = getattr(network, "dtype", dtype)
    return stated if isinstance(stated, torch.dtype) and stated.itemsize > 1 else torch.float32
