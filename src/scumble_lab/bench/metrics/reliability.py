"""The reliability score R of change maps: does a map that grows from left to right give a change that does?

Source: arXiv 2306.00950 (first version); no network's weights are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scumble_lab.bench.metrics.adherence import pearson

__all__ = ["ramp", "reliability", "trend"]

Curve = npt.NDArray[np.float64]


def ramp(height: int, width: int) -> npt.NDArray[np.float32]:
    """The change map (H, W) of column j: j / w, white to the right. (The paper's keeps 1 - j/w.)"""
    return np.broadcast_to(np.arange(width) / width, (height, width)).astype(np.float32)


def trend(results: Sequence[Tensor], sources: Sequence[Tensor]) -> Curve:
    """Mean change of every column: (1 / (|D| h)) times the sum over pictures of the norm over rows and channels.

    Pictures are (3, H, W); returns (W,).
    """
    norms = [(a - b).double().square().sum(dim=(0, 1)).sqrt() for a, b in zip(results, sources, strict=True)]
    return np.asarray(torch.stack(norms).mean(dim=0).numpy(), np.float64) / results[0].shape[1]


def reliability(graded: Curve, free: Curve) -> float:
    """Pearson's correlation of (trend under the ramp - trend under the map that changes everything) with 0…w-1.

    The difference takes out what the picture's borders and chance do to the change; an ideal editor has 1.
    """
    return pearson(graded - free, np.arange(len(graded)))
