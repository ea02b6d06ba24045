"""Which train timesteps a run of N steps visits, noisiest first, by the rules of diffusers' schedulers.

Each takes the scheduler config; spacings: arXiv 2305.08891, table 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FEW_STEP", "distilled_timesteps", "dpm_timesteps", "plain_timesteps", "students_steps", "train_timesteps"]

FEW_STEP = ("LCMScheduler", "TCDScheduler")
"""Schedulers of models that were distilled to a list of timesteps."""


def train_timesteps(config: Mapping[str, Any]) -> int:
    """T, the length of the table."""
    return int(config.get("num_train_timesteps", 1000))


def students_steps(config: Mapping[str, Any]) -> int:
    """How many timesteps a few-step model was trained on."""
    return int(config.get("original_inference_steps") or 50)


def plain_timesteps(config: Mapping[str, Any], n: int, solver: str) -> list[float]:
    """N timesteps of every solver but the DPM ones."""
    name = config.get("_class_name", "")
    euler = "Euler" in name and solver != "plms"
    total = train_timesteps(config)
    if name in FEW_STEP and solver != "plms":
        return distilled_timesteps(config, n, students_steps(config))
    spacing = config.get("timestep_spacing", "linspace" if euler else "leading")
    if spacing == "leading":
        return [float(k * (total // n) + int(config.get("steps_offset", 0))) for k in range(n - 1, -1, -1)]
    if spacing == "trailing":
        # rounding lets arange end one entry late, at timestep -1, for some N
        return [float(t) for t in np.round(np.arange(total, 0, -total / n))[:n] - 1]
    grid = np.linspace(0, total - 1, n)
    if euler:
        return [float(t) for t in grid[::-1].astype(np.float32)]
    return [float(t) for t in grid.round()[::-1]]


def distilled_timesteps(config: Mapping[str, Any], n: int, known: int) -> list[float]:
    """N of the ``known`` lowest timesteps on which a student was trained, evenly by their place (arXiv 2310.04378,
    2402.19159).

    Raises:
        ValueError: If there are fewer than N.
    """
    count = students_steps(config)
    if n > known:
        raise ValueError(f"a few-step model was trained on {count} timesteps; use {count} steps or fewer, got {n}")
    grid = (np.arange(known, 0, -1) * (train_timesteps(config) // count)) - 1
    return [float(t) for t in grid[np.floor(np.linspace(0, known, n, endpoint=False)).astype(int)]]


def dpm_timesteps(config: Mapping[str, Any], n: int, sigmas: npt.NDArray[np.float64]) -> list[float]:
    """N timesteps of the DPM solvers, on a table of ``sigmas`` (T,)."""
    spacing, total = config.get("timestep_spacing", "linspace"), train_timesteps(config)
    last = total
    clip = float(config.get("lambda_min_clipped", -math.inf))
    if clip > -math.inf:  # cosine tables begin far below any useful signal-to-noise ratio
        last -= int(np.searchsorted(-np.log(sigmas[::-1]), clip))
    if spacing == "leading":
        ratio, offset = last // (n + 1), int(config.get("steps_offset", 0))
        return [float(k * ratio + offset) for k in range(n, 0, -1)]
    if spacing == "trailing":
        return [float(t) for t in np.arange(last, 0, -total / n).round()[:n] - 1]
    return [float(t) for t in np.linspace(0, last - 1, n + 1).round()[::-1][:-1]]
