"""Noise levels: what a diffusers scheduler config says about ``x = a x0 + s eps`` at each step of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["OWN_LISTS", "SPACINGS", "Level", "Schedule", "conditional_variance"]

Array = npt.NDArray[np.float64]

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample", "flow")
OTHER_FAMILIES = ("EDM", "KarrasVe", "ScoreSde", "VQDiffusion", "CMStochastic", "ConsistencyDecoder")
NOT_READ = (
    "thresholding",
    "use_lu_lambdas",
    "use_dynamic_shifting",
    "shift_terminal",
    "invert_sigmas",
)
DIFFERENT_VALUES = {"timestep_type": "continuous", "interpolation_type": "log_linear"}
OWN_LISTS = {
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "ddpm": "DDPMScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
}
"""Solvers that list their timesteps by the rule of this scheduler, whatever scheduler the checkpoint came with."""
DPM = ("dpmpp_2m", "dpmpp_2m_sde", "unipc")
FEW_STEP = ("LCMScheduler", "TCDScheduler")
SPREADS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
SPACINGS: Mapping[str, Mapping[str, Any]] = {
    **{name: {f"use_{name}_sigmas": True} for name in ("karras", "exponential", "beta")},
    **{name: {"timestep_spacing": name} for name in ("leading", "trailing", "linspace")},
}
"""Names under which users know how a run picks its levels, and what a scheduler config says for it."""
NEARLY_ZERO = 2**-24  # diffusers' own guard where sigma = s/a is needed: about 4096 instead of infinity


@dataclass(frozen=True)
class Level:
    """One noise level: ``x = a x0 + s eps``.

    Attributes:
        t: The time that the network is given for this level.
        a: Signal coefficient, float64. Variance preserving: sqrt(abar); flow matching: 1 - sigma.
        s: Noise coefficient, float64. Variance preserving: sqrt(1 - abar); flow matching: sigma.
    """

    t: float
    a: float
    s: float


CLEAN = Level(t=0.0, a=1.0, s=0.0)


def conditional_variance(noisy: Level, clean: Level) -> float:
    """Variance of ``x_i`` given ``x_j`` for ``i`` noisier than ``j``: ``s_i^2 - (a_i/a_j)^2 s_j^2``, never negative."""
    return max(noisy.s**2 - (noisy.a / clean.a) ** 2 * clean.s**2, 0.0)


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
        name = str(config.get("_class_name", ""))
        if name.startswith(OTHER_FAMILIES):
            raise ValueError(f"{name} is not a variance-preserving or flow-matching scheduler")
        for key in NOT_READ:
            if config.get(key):
                raise ValueError(
                    f"{key} is not supported; remove it from the scheduler config, or use another solver's"
                )
        for key, value in DIFFERENT_VALUES.items():
            if config.get(key) == value:
                raise ValueError(f"{key} {value!r} is not supported; remove it from the scheduler config")
        unchosen = config.get("_use_default_values", ())
        config = {key: value for key, value in config.items() if key not in unchosen}
        if _is_flow(config):
            for key in SPREADS:
                if config.get(key):
                    raise ValueError(f"{key} is not supported for flow matching; remove it from the config")
            return cls(config=config, alphas_cumprod=None)
        kind = config.get("prediction_type", "epsilon")
        if kind not in PREDICTION_TYPES:
            raise ValueError(f"prediction_type {kind!r} is unknown; expected one of {', '.join(PREDICTION_TYPES)}")
        spacing = config.get("timestep_spacing", "leading")
        if spacing not in ("leading", "trailing", "linspace"):
            raise ValueError(f"timestep_spacing {spacing!r} is unknown; expected leading, trailing or linspace")
        return cls(config=config, alphas_cumprod=_alphas_cumprod(config))

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
        return int(self.config.get("num_train_timesteps", 1000))

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
            return _variance_preserving(t, float(self.alphas_cumprod[int(t)]))
        sigma = float(np.interp(t, np.arange(len(self.alphas_cumprod)), self._sigmas))
        return _variance_preserving(t, 1 / (1 + sigma**2))

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
        count = changed.students_steps
        known = max(1, math.floor(strength * count + 1e-6))
        times = changed.distilled_timesteps(min(num_inference_steps, known), known)
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
            return self._flow_levels(n)
        if solver in OWN_LISTS and self.config.get("_class_name") != OWN_LISTS[solver]:
            return self.changed(_class_name=OWN_LISTS[solver]).levels(n, solver)
        if solver in DPM and self.alphas_cumprod[-1] == 0:
            table = np.append(self.alphas_cumprod[:-1], NEARLY_ZERO)
            return replace(self, alphas_cumprod=table).levels(n, solver)
        if any(self.config.get(key) for key in SPREADS) and solver not in ("plms", "lcm", "tcd"):
            return self._spread_levels(n, solver)
        times = self._dpm_timesteps(n) if solver in DPM else self._timesteps(n, solver)
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

    def _timesteps(self, n: int, solver: str) -> list[float]:
        euler = "Euler" in self.config.get("_class_name", "") and solver != "plms"
        total = self.num_train_timesteps
        if self.config.get("_class_name") in FEW_STEP and solver != "plms":
            return self.distilled_timesteps(n, self.students_steps)
        spacing = self.config.get("timestep_spacing", "linspace" if euler else "leading")
        if spacing == "leading":
            return [float(k * (total // n) + int(self.config.get("steps_offset", 0))) for k in range(n - 1, -1, -1)]
        if spacing == "trailing":
            # rounding lets arange end one entry late, at timestep -1, for some N
            return [float(t) for t in np.round(np.arange(total, 0, -total / n))[:n] - 1]
        grid = np.linspace(0, total - 1, n)
        if euler:
            return [float(t) for t in grid[::-1].astype(np.float32)]
        return [float(t) for t in grid.round()[::-1]]

    @property
    def students_steps(self) -> int:
        """How many timesteps a few-step model was trained on."""
        return int(self.config.get("original_inference_steps") or 50)

    def distilled_timesteps(self, n: int, known: int) -> list[float]:
        """N of the ``known`` lowest timesteps on which a student was trained, evenly by their place (arXiv 2310.04378,
        2402.19159)."""
        count = self.students_steps
        if n > known:
            raise ValueError(f"a few-step model was trained on {count} timesteps; use {count} steps or fewer, got {n}")
        grid = (np.arange(known, 0, -1) * (self.num_train_timesteps // count)) - 1
        return [float(t) for t in grid[np.floor(np.linspace(0, known, n, endpoint=False)).astype(int)]]

    def _dpm_timesteps(self, n: int) -> list[float]:
        spacing, last = self.config.get("timestep_spacing", "linspace"), self.num_train_timesteps
        clip = float(self.config.get("lambda_min_clipped", -math.inf))
        if clip > -math.inf:  # cosine tables begin far below any useful signal-to-noise ratio
            last -= int(np.searchsorted(-np.log(self._sigmas[::-1]), clip))
        if spacing == "leading":
            ratio, offset = last // (n + 1), int(self.config.get("steps_offset", 0))
            return [float(k * ratio + offset) for k in range(n, 0, -1)]
        if spacing == "trailing":
            return [float(t) for t in np.arange(last, 0, -self.num_train_timesteps / n).round()[:n] - 1]
        return [float(t) for t in np.linspace(0, last - 1, n + 1).round()[::-1][:-1]]

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
        return _variance_preserving(0.0, float(self._table[0]))

    def _spread_levels(self, n: int, solver: str) -> tuple[Level, ...]:
        """Sigmas spread by a formula between two ends, times by interpolation in log sigma.

        They span the table for DPM-Solver, and the sigmas of the plain run for the others, as in diffusers.
        """
        table = self._sigmas
        dpm = solver in DPM or "DPMSolver" in self.config.get("_class_name", "")
        ends = (len(table) - 1, 0) if dpm else itemgetter(0, -1)(self._timesteps(n, solver))
        high, low = np.interp(ends, np.arange(len(table)), table)
        high, low = (float(self.config.get(k) or g) for k, g in (("sigma_max", high), ("sigma_min", low)))
        rule = next(key for key in SPREADS if self.config.get(key))
        sigmas = _SPREAD[rule](high, low, n)
        times = np.interp(np.log(sigmas), np.log(table), np.arange(len(table)))
        if dpm:  # the network gets whole timesteps
            whole = rule == "use_karras_sigmas" and self.config.get("beta_schedule") != "squaredcos_cap_v2"
            times = np.trunc(times.round() if whole else times)
        levels = (_variance_preserving(float(t), 1 / (1 + float(g) ** 2)) for t, g in zip(times, sigmas, strict=True))
        return (*levels, self._final(solver))

    def _flow_levels(self, n: int) -> tuple[Level, ...]:
        total, shift = self.num_train_timesteps, float(self.config.get("shift") or self.config.get("flow_shift") or 1.0)
        if self.config.get("use_flow_sigmas"):  # DPM-Solver's list
            sigmas = np.linspace(1 - 1 / total, 0.0, n + 1)[:-1]
        else:
            sigmas = np.linspace(1.0, shift / total / (1 + (shift - 1) / total), n)
        sigmas = shift * sigmas / (1 + (shift - 1) * sigmas)
        times = np.trunc(sigmas * total) if self.config.get("use_flow_sigmas") else sigmas * total
        return (*(Level(t=float(t), a=1 - float(g), s=float(g)) for t, g in zip(times, sigmas, strict=True)), CLEAN)


def _karras(high: float, low: float, n: int, rho: float = 7.0) -> Array:
    """arXiv 2206.00364 eq. 5."""
    ends = high ** (1 / rho), low ** (1 / rho)
    return np.asarray((ends[0] + np.linspace(0, 1, n) * (ends[1] - ends[0])) ** rho, np.float64)


def _exponential(high: float, low: float, n: int) -> Array:
    """Evenly in log sigma."""
    return np.asarray(np.exp(np.linspace(math.log(high), math.log(low), n)), np.float64)


def _beta(high: float, low: float, n: int, shape: float = 0.6) -> Array:
    """Densely at both ends: quantiles of a beta distribution (arXiv 2407.12173)."""
    from scipy.special import betaincinv

    return np.asarray(low + betaincinv(shape, shape, 1 - np.linspace(0, 1, n)) * (high - low), np.float64)


_SPREAD = dict(zip(SPREADS, (_karras, _exponential, _beta), strict=True))


def _variance_preserving(t: float, abar: float) -> Level:
    return Level(t=float(t), a=math.sqrt(abar), s=math.sqrt(1.0 - abar))


def _is_flow(config: Mapping[str, Any]) -> bool:
    return "FlowMatch" in config.get("_class_name", "") or config.get("prediction_type") in ("flow", "flow_prediction")


def _alphas_cumprod(config: Mapping[str, Any]) -> Array:
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
