"""Small stand-ins for a network and for diffusers' own sampling loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, StepResult
from scumble.core.cost import Cost
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise, NoiseSource
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level, Schedule
from scumble.core.solver import Solver
from scumble.core.solvers import Ddim

SHAPE = (2, 3, 4, 5)
STABLE_DIFFUSION = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
BETAS: dict[str, dict[str, Any]] = {
    "linear": {"beta_schedule": "linear"},
    "scaled_linear": STABLE_DIFFUSION,
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}

Raw = Callable[[Tensor, float | Tensor], Tensor]


def _phase(t: float | Tensor) -> Tensor:
    return torch.as_tensor(t, dtype=torch.float32) / 200


def raw_epsilon(x: Tensor, t: float | Tensor) -> Tensor:
    return 0.9 * (_phase(t) / 5).clamp(0, 1).sqrt() * x + 0.2 * torch.sin(3 * x.roll(1, -1) + _phase(t))


def raw_v(x: Tensor, t: float | Tensor) -> Tensor:
    return 0.4 * torch.sin(2 * x.roll(1, -1) + _phase(t)) - 0.2 * x


def raw_sample(x: Tensor, t: float | Tensor) -> Tensor:
    return 0.8 * torch.sin(x + 0.5 * x.roll(1, -2) + _phase(t))


RAW: dict[str, Raw] = {"epsilon": raw_epsilon, "v_prediction": raw_v, "sample": raw_sample, "flow": raw_v}


def with_variance(raw: Raw) -> Raw:
    return lambda x, t: torch.cat([raw(x, t), torch.sin(2 * x + _phase(t))], dim=1)


class ToyNetwork:
    """A smooth function of x and t in place of a U-Net; remembers what it was asked."""

    def __init__(self, kind: str = "epsilon", clip_sample: float | None = None, raw: Raw | None = None) -> None:
        self.kind, self.clip_sample, self.raw = kind, clip_sample, raw or RAW[kind]
        self.calls: list[tuple[Tensor, Level | Sequence[Level], Conditioning, Sequence[Any]]] = []

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Any] = ()
    ) -> Prediction:
        self.calls.append((x, level, cond, taps))
        if isinstance(level, Level):
            t: float | Tensor = level.t
        else:
            t = torch.tensor([lv.t for lv in level]).reshape(-1, 1, 1, 1)
        shift = 0.0 if cond.embeds is None else cond.embeds.mean(dim=(1, 2)).reshape(-1, 1, 1, 1)
        return Prediction.from_output(self.kind, self.raw(x, t) + shift, x, level)


class Oracle:
    """A network that knows with which noise the guide was noised."""

    clip_sample = None

    def __init__(self, eps: Tensor) -> None:
        self.eps = eps

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Any] = ()
    ) -> Prediction:
        return Prediction.from_eps(self.eps, x, level)


ROW = Branch("cond", Conditioning())


class Asks(Control):
    """Asks for rows; the first one's prediction is the default."""

    def __init__(self, *rows: Branch) -> None:
        self.asked = rows

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        return [*rows, *self.asked]


def context(
    network: Any = None,
    levels: tuple[Level, ...] | None = None,
    solver: Solver | None = None,
    noise: NoiseSource | None = None,
    shape: tuple[int, ...] = SHAPE,
) -> RunState:
    levels = levels or Schedule.from_config({"_class_name": "DDIMScheduler", **STABLE_DIFFUSION}).levels(8)
    noise = noise or CounterNoise(range(shape[0]))
    return RunState(network or ToyNetwork(), levels, solver or Ddim(), noise, shape, torch.device("cpu"), Cost())


def trajectory(ctx: RunState, controls: Sequence[Control] = (), rows: Sequence[Branch] = (ROW,)) -> list[Tensor]:
    """``x`` after each step of the loop."""
    xs: list[Tensor] = []

    def collect(_: RunState, result: StepResult) -> None:
        xs.append(result.x)

    end = denoise(ctx, [Asks(*rows), *controls], collect)
    assert torch.equal(end, xs[-1])
    return xs


def diffusers_trajectory(scheduler: Any, n: int, raw: Raw, x: Tensor, **options: Any) -> list[Tensor]:
    """``x`` after each step of a diffusers scheduler; ``variance_noise`` may be a function of the step index."""
    scheduler.set_timesteps(n)
    draw = options.pop("variance_noise", None)
    xs: list[Tensor] = []
    for i, t in enumerate(scheduler.timesteps):
        if draw is not None:
            options["variance_noise"] = draw(i)
        seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(raw(seen, float(t)), t, x, **options).prev_sample
        xs.append(x)
    return xs


def assert_same_trajectory(ours: Sequence[Tensor], theirs: Sequence[Tensor], tolerance: float = 1e-5) -> None:
    assert len(ours) == len(theirs)
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert torch.isfinite(b).all(), f"the reference is not finite after step {i}"
        difference = float((a - b).abs().max() / max(1.0, float(b.abs().max())))
        assert difference <= tolerance, f"after step {i} of {len(ours)} they differ by {difference:.2e}"


def sigma(level: Level) -> float:
    return level.s / level.a if level.a else math.inf
