"""Noise levels: what a diffusers scheduler config says about ``x = a x0 + s eps`` at each step of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from scumble.core.flow_levels import flow_levels
from scumble.core.level import CLEAN, Level, conditional_variance, variance_preserving
from scumble.core.noise_table import NEARLY_ZERO, noise_table
from scumble.core.scheduler_config import is_flow, readable
from scumble.core.spreads import SPREADS
from scumble.core.timesteps import (
    FEW_STEP,
    distilled_timesteps,
    dpm_timesteps,
    plain_timesteps,
    students_steps,
    train_timesteps,
)

__all__ = ["CLEAN", "OWN_LISTS", "SPACINGS", "Level", "Schedule", "conditional_variance"]

Array = npt.NDArray[np.float64]

OWN_LISTS = {
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "ddpm": "DDPMScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
}
"""Solvers that list their timesteps by the rule of this scheduler, whatever scheduler the checkpoint came with."""
DPM = ("dpmpp_2m", "dpmpp_2m_sde", "unipc")
SPACINGS: Mapping[str, Mapping[str, Any]] = {
    **{name: {f"use_{name}_sigmas": True} for name in ("karras", "exponential", "beta")},
    **{name: {"timestep_spacing": name} for name in ("leading", "trailing", "linspace")},
}
"""Names under which users know how a run picks its levels, and what a scheduler config says for it."""


@dataclass(frozen=True)
class Schedule:
    """The levels a checkpoint was trained on, and how a run picks from them, read from a diffusers config.

    Build it with :meth:`from_config`. The table is computed in float32 by the rule of diffusers, as the checkpoints
    were trained with it, and carried in float64 (arXiv 2006.11239 section 2; spacings: arXiv 2305.08891 table 2).

    Attributes:
        alphas_cumprod: abar_t for t = 0 … T-1, or None for flow matching.
        config: The scheduler config itself.
    """

    config: Mapping[str, Any]
    alphas_cumprod: Array | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Schedule:
        """Read a diffusers scheduler config (``scheduler_config.json``, or ``scheduler.config`` of a live one).

        A key that is missing, or that a live scheduler marks as never chosen by anybody, has the default of the
        scheduler whose rule is used: a DPM-Solver run then has another spacing than DDIM's, as in diffusers.

        Raises:
            ValueError: If the config is of another family (EDM, …), or asks for what is not read here.
        """
        config = readable(config)
        return cls(config=config, alphas_cumprod=None if is_flow(config) else noise_table(config))

    def changed(self, **settings: Any) -> Schedule:
        """Return the schedule with other settings in its config; ValueError as for :meth:`from_config`."""
        chosen = {key: value for key, value in self.config.items() if key != "_use_default_values"}
        return Schedule.from_config({**chosen, **settings})

    @property
    def prediction_type(self) -> str:
        """What the network's output means: epsilon, v_prediction, sample or flow."""
        return "flow" if self.alphas_cumprod is None else str(self.config.get("prediction_type", "epsilon"))

    @property
    def num_train_timesteps(self) -> int:
        """T, the length of the table."""
        return train_timesteps(self.config)

    @property
    def clip_sample(self) -> float | None:
        """The range to which a predicted x0 is clipped, or None."""
        if not self.config.get("clip_sample", self.config.get("_class_name") in ("DDPMScheduler", "DDIMScheduler")):
            return None
        return float(self.config.get("clip_sample_range", 1.0))

    def at(self, t: float) -> Level:
        """Return the level of train timestep ``t`` (interpolated in sigma between integers).

        Raises:
            ValueError: If ``t`` is outside the table.
        """
        if self.alphas_cumprod is None:
            sigma = t / self.num_train_timesteps
            return Level(t=t, a=1.0 - sigma, s=sigma)
        if not 0 <= t < len(self.alphas_cumprod):
            raise ValueError(f"timestep {t:g} is outside the table of {len(self.alphas_cumprod)}")
        if float(t).is_integer():
            return variance_preserving(t, float(self.alphas_cumprod[int(t)]))
        sigma = float(np.interp(t, np.arange(len(self.alphas_cumprod)), self._sigmas))
        return variance_preserving(t, 1 / (1 + sigma**2))

    def places_levels(self, solver: str) -> bool:
        """Whether a weaker change may have all its steps below where it begins: a student knows a list of timesteps of
        which a run takes a few (LCM, TCD); others were trained on those few alone, or need the whole way."""
        return solver in ("lcm", "tcd") and self.alphas_cumprod is not None

    def levels_below(self, num_inference_steps: int, solver: str, strength: float) -> tuple[tuple[Level, ...], float]:
        """Return the levels of a run that begins where a change of ``strength`` does, and the strength of its first.

        As diffusers' LCM pipeline for images places them: N of the student's timesteps below the strength. Where there
        are fewer, the run has as many steps.

        Raises:
            ValueError: If N does not fit the student's list.
        """
        changed = self.changed(_class_name=OWN_LISTS[solver])
        count = students_steps(changed.config)
        known = max(1, math.floor(strength * count + 1e-6))
        times = distilled_timesteps(changed.config, min(num_inference_steps, known), known)
        return (*(changed.at(t) for t in times), changed._final(solver)), known / count

    def levels(self, num_inference_steps: int, solver: str = "ddim") -> tuple[Level, ...]:
        """Return the N + 1 levels of a run of N steps, noisiest first, the final level last.

        Args:
            num_inference_steps: N, at least 1 and at most T.
            solver: ``ddim``, ``plms``, one of ``DPM`` or of ``OWN_LISTS``: diffusers' solvers list different timesteps
                for one config; ``plms`` lists the second level twice (N + 2 levels).

        Raises:
            ValueError: If N does not fit the table, or the solver is not defined for the family.
        """
        n = num_inference_steps
        if not 1 <= n <= self.num_train_timesteps:
            raise ValueError(f"num_inference_steps must be 1 to {self.num_train_timesteps}, got {n}")
        if self.alphas_cumprod is None:
            if solver not in ("ddim", "ddpm", "dpmpp_2m"):
                raise ValueError(f"{solver} is not defined for flow matching; use ddim or dpmpp_2m")
            return flow_levels(self.config, n)
        if solver in OWN_LISTS and self.config.get("_class_name") != OWN_LISTS[solver]:
            return self.changed(_class_name=OWN_LISTS[solver]).levels(n, solver)
        if solver in DPM and self.alphas_cumprod[-1] == 0:
            table = np.append(self.alphas_cumprod[:-1], NEARLY_ZERO)
            return replace(self, alphas_cumprod=table).levels(n, solver)
        if any(self.config.get(key) for key in SPREADS) and solver not in ("plms", "lcm", "tcd"):
            return self._spread_levels(n, solver)
        times = (
            dpm_timesteps(self.config, n, self._sigmas) if solver in DPM else plain_timesteps(self.config, n, solver)
        )
        if times[0] >= self.num_train_timesteps:
            raise ValueError(
                f"{n} steps with leading spacing and steps_offset {self.config.get('steps_offset', 0)} would need"
                f" timestep {times[0]:.0f} of {self.num_train_timesteps}; use {n - 1} steps or fewer"
            )
        if any(b >= a for a, b in pairwise(times)):
            raise ValueError(f"{n} steps of {solver} would visit a timestep twice; use {n - 1} steps or fewer")
        if solver == "plms" and n > 1:
            times = [times[0], times[1], *times[1:]]
        return (*(self.at(t) for t in times), self._final(solver))

    @property
    def _sigmas(self) -> Array:
        """s/a of the table."""
        return np.sqrt((1 - self._table) / self._table)

    @property
    def _table(self) -> Array:
        """``alphas_cumprod`` of a family that has it."""
        if self.alphas_cumprod is None:
            raise ValueError("flow matching has no table of noise levels")
        return self.alphas_cumprod

    def _final(self, solver: str) -> Level:
        name = self.config.get("_class_name", "")
        if solver in DPM or (solver != "plms" and ("Euler" in name or "DPMSolver" in name)):
            keeps_first = self.config.get("final_sigmas_type", "zero") == "sigma_min"
        elif solver == "plms" or name == "PNDMScheduler":
            keeps_first = not self.config.get("set_alpha_to_one", False)
        elif name in FEW_STEP:
            keeps_first = name == "TCDScheduler"
        else:
            keeps_first = not name.startswith("DDPM") and not self.config.get("set_alpha_to_one", True)
        if not keeps_first:
            return CLEAN
        return variance_preserving(0.0, float(self._table[0]))

    def _spread_levels(self, n: int, solver: str) -> tuple[Level, ...]:
        """Sigmas spread by a formula between two ends, times by interpolation in log sigma.

        They span the table for DPM-Solver, and the sigmas of the plain run for the others, as in diffusers.
        """
        table = self._sigmas
        dpm = solver in DPM or "DPMSolver" in self.config.get("_class_name", "")
        ends = (len(table) - 1, 0) if dpm else itemgetter(0, -1)(plain_timesteps(self.config, n, solver))
        high, low = np.interp(ends, np.arange(len(table)), table)
        high, low = (float(self.config.get(k) or g) for k, g in (("sigma_max", high), ("sigma_min", low)))
        rule = next(key for key in SPREADS if self.config.get(key))
        sigmas = SPREADS[rule](high, low, n)
        times = np.interp(np.log(sigmas), np.log(table), np.arange(len(table)))
        if dpm:  # the network gets whole timesteps
            whole = rule == "use_karras_sigmas" and self.config.get("beta_schedule") != "squaredcos_cap_v2"
            times = np.trunc(times.round() if whole else times)
        levels = (variance_preserving(float(t), 1 / (1 + float(g) ** 2)) for t, g in zip(times, sigmas, strict=True))
        return (*levels, self._final(solver))
