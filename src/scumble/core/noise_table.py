"""The table of noise levels that a scheduler config describes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NEARLY_ZERO", "noise_table"]

Array = npt.NDArray[np.float64]

NEARLY_ZERO = 2**-24  # diffusers' own guard where sigma = s/a is needed: about 4096 instead of infinity


def noise_table(config: Mapping[str, Any]) -> Array:
    """Return abar_t for t = 0 … T-1: in float32 by the rule of diffusers, carried in float64.

    Raises:
        ValueError: If the rule is unknown, or gives no T levels from 1 to 0.
    """
    start, end = float(config.get("beta_start", 0.0001)), float(config.get("beta_end", 0.02))
    total, kind = int(config.get("num_train_timesteps", 1000)), config.get("beta_schedule", "linear")
    import torch  # the float32 linspace of diffusers' own tables, to the last bit

    if config.get("trained_betas") is not None:
        betas = torch.tensor(config["trained_betas"], dtype=torch.float32)
    elif kind == "linear":
        betas = torch.linspace(start, end, total, dtype=torch.float32)
    elif kind == "scaled_linear":
        betas = torch.linspace(start**0.5, end**0.5, total, dtype=torch.float32) ** 2
    elif kind == "squaredcos_cap_v2":

        def bar(u: float) -> float:
            return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

        steps = [min(1 - bar((k + 1) / total) / bar(k / total), 0.999) for k in range(total)]
        betas = torch.tensor(steps, dtype=torch.float32)
    else:
        raise ValueError(f"beta_schedule {kind!r} is unknown; expected linear, scaled_linear or squaredcos_cap_v2")
    if config.get("rescale_betas_zero_snr"):
        betas = _rescale_zero_terminal_snr(betas)
    if betas.shape != (total,):
        raise ValueError(f"it has betas of the shape {tuple(betas.shape)} for {total} training steps")
    table = torch.cumprod(1.0 - betas, dim=0)
    if config.get("rescale_betas_zero_snr") and re.search("DPMSolver|Euler|UniPC", config.get("_class_name", "")):
        table[-1] = NEARLY_ZERO
    if not bool(((table >= 0) & (table <= 1)).all()):
        raise ValueError(f"its betas give no {total} noise levels from 1 to 0")
    return table.to(torch.float64).numpy()


def _rescale_zero_terminal_snr(betas: Any) -> Any:
    """Shift and scale sqrt(abar) so that the last is 0 and the first unchanged (arXiv 2305.08891, algorithm 1)."""
    import torch

    root = torch.cumprod(1.0 - betas, dim=0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    root = (root - last) * (first / (first - last))
    abar = root**2
    return 1 - torch.cat([abar[0:1], abar[1:] / abar[:-1]])
