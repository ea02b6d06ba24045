"""Which devices compute bf16 in hardware; where they do not, bf16 is an emulation ten times slower than fp32."""

from __future__ import annotations

import torch

__all__ = ["has_bf16"]


def has_bf16(device: torch.device | str) -> bool:
    """Whether bf16 is worth using there: always on accelerators, on a CPU only with its instructions."""
    return torch.device(device).type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
