"""The levels of a run of a flow-matching model: ``x = (1 - sigma) x0 + sigma eps``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scumble.core.level import CLEAN, Level
from scumble.core.timesteps import train_timesteps

__all__ = ["flow_levels"]


def flow_levels(config: Mapping[str, Any], n: int) -> tuple[Level, ...]:
    """Return N + 1 levels, noisiest first, by the config's shift and list of sigmas."""
    total, shift = train_timesteps(config), float(config.get("shift") or config.get("flow_shift") or 1.0)
    if config.get("use_flow_sigmas"):  # DPM-Solver's list
        sigmas = np.linspace(1 - 1 / total, 0.0, n + 1)[:-1]
    else:
        sigmas = np.linspace(1.0, shift / total / (1 + (shift - 1) / total), n)
    sigmas = shift * sigmas / (1 + (shift - 1) * sigmas)
    times = np.trunc(sigmas * total) if config.get("use_flow_sigmas") else sigmas * total
    return (*(Level(t=float(t), a=1 - float(g), s=float(g)) for t, g in zip(times, sigmas, strict=True)), CLEAN)
