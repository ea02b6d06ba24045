"""Whole runs of the loop equal diffusers' schedulers step by step; solvers keep what they promise on known targets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
)
from torch import Tensor

from scumble.core.control import Control, RunState, Start
from scumble.core.dpm_solvers import DpmSolverPP2M
from scumble.core.noise import CounterNoise, GeneratorNoise
from scumble.core.plms import Plms
from scumble.core.prediction import Prediction, noised
from scumble.core.schedule import Level, Schedule
from scumble.core.solver import Evaluation, Solver
from scumble.core.solvers import Ddim, Ddpm, ddim_std
from tests.support.toys import (
    BETAS,
    RAW,
    SHAPE,
    STABLE_DIFFUSION,
    Oracle,
    ToyNetwork,
    assert_same_trajectory,
    context,
    diffusers_trajectory,
    raw_epsilon,
    trajectory,
    with_variance,
)

KINDS = ("epsilon", "v_prediction", "sample")
LEADING = {**STABLE_DIFFUSION, "timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False}
TRAILING = {**STABLE_DIFFUSION, "timestep_spacing": "trailing", "set_alpha_to_one": True}


def levels_of(scheduler: Any, n: int, solver: str = "ddim") -> tuple[Level, ...]:
    return Schedule.from_config({"_class_name": type(scheduler).__name__, **scheduler.config}).levels(n, solver)


def start() -> Tensor:
    return CounterNoise(range(SHAPE[0])).normal(SHAPE, "start", 0)


def run(scheduler: Any, n: int, solver: Solver, network: ToyNetwork) -> list[Tensor]:
    return trajectory(context(network, levels_of(scheduler, n, solver.name), solver))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("config", "n"), [(LEADING, 20), (LEADING, 7), (TRAILING, 20), (TRAILING, 1)])
def test_ddim_equals_diffusers_with_the_same_noise(kind: str, eta: float, config: dict[str, Any], n: int) -> None:
    scheduler = DDIMScheduler(**config, prediction_type=kind, clip_sample=False)
    noise = CounterNoise(range(SHAPE[0]))
    theirs = diffusers_trajectory(
        scheduler, n, RAW[kind], start(), eta=eta, variance_noise=lambda i: noise.normal(SHAPE, "step", i)
    )
    assert_same_trajectory(run(scheduler, n, Ddim(eta), ToyNetwork(kind)), theirs)


def test_ddim_at_zero_terminal_snr_equals_diffusers() -> None:
    scheduler = DDIMScheduler(
        **TRAILING, rescale_betas_zero_snr=True, prediction_type="v_prediction", clip_sample=False
    )
    theirs = diffusers_trajectory(scheduler, 10, RAW["v_prediction"], start())
    assert_same_trajectory(run(scheduler, 10, Ddim(), ToyNetwork("v_prediction")), theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large", "learned_range"])
@pytest.mark.parametrize("config", [{}, BETAS["cosine"], {"timestep_spacing": "linspace"}])
def test_ddpm_equals_diffusers_with_the_same_noise(
    kind: str, clip: bool, variance: str, config: dict[str, Any]
) -> None:
    scheduler = DDPMScheduler(variance_type=variance, prediction_type=kind, clip_sample=clip, **config)
    raw = with_variance(RAW[kind]) if variance == "learned_range" else RAW[kind]
    generator = torch.Generator().manual_seed(3)
    first = torch.randn(SHAPE, generator=generator)
    theirs = diffusers_trajectory(scheduler, 20, raw, first, generator=generator)
    network = ToyNetwork(kind, clip_sample=1.0 if clip else None, raw=raw)
    noise = GeneratorNoise(torch.Generator().manual_seed(3))
    ours = trajectory(context(network, levels_of(scheduler, 20), Ddpm(variance), noise))
    assert_same_trajectory(ours, theirs)


def test_clipping_equals_ddim_that_derives_eps_anew_and_not_ddim_that_keeps_it() -> None:
    scheduler = DDIMScheduler(**LEADING, clip_sample=True, clip_sample_range=0.5)
    ours = run(scheduler, 20, Ddim(), ToyNetwork(clip_sample=0.5))
    assert_same_trajectory(
        ours, diffusers_trajectory(scheduler, 20, raw_epsilon, start(), use_clipped_model_output=True)
    )
    kept = diffusers_trajectory(scheduler, 20, raw_epsilon, start())
    assert (ours[-1] - kept[-1]).abs().max() > 1e-2


def test_the_last_step_adds_no_noise_whatever_the_variance() -> None:
    # diffusers adds fixed_large noise to the clean picture when the last timestep is not 0
    for variance in ("fixed_small", "fixed_large", "learned_range"):
        network = ToyNetwork(raw=with_variance(raw_epsilon))
        ctx = context(network, levels_of(DDPMScheduler(steps_offset=1), 10), Ddpm(variance))
        last: list[float | Tensor] = []

        class Watch(Control):
            def after(self, ctx: RunState, move: Any, last: list[float | Tensor] = last) -> Any:
                last.append(move.std)
                return move

        trajectory(ctx, [Watch()])
        assert last[-1] == 0.0
        assert all(torch.as_tensor(std).min() > 0 for std in last[:-1])


def test_learned_range_is_finite_where_two_levels_are_the_same() -> None:
    same = Schedule.from_config({}).at(0)
    x = start()
    visit = Evaluation(0, same, x, Prediction.from_output("epsilon", with_variance(raw_epsilon)(x, 0), x, same))
    mean, std = Ddpm("learned_range").step([visit], same)
    assert std == 0.0
    assert torch.allclose(mean, x, atol=1e-6)


def test_learned_range_without_a_variance_is_refused() -> None:
    with pytest.raises(ValueError, match="learned_range"):
        trajectory(context(solver=Ddpm("learned_range")))


def test_an_unknown_variance_type_is_refused() -> None:
    with pytest.raises(ValueError, match="variance_type 'learned'"):
        Ddpm("learned")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
@pytest.mark.parametrize("n", [1, 2, 10, 14, 15, 25])
@pytest.mark.parametrize("config", [{}, LEADING, {**BETAS["cosine"], "lambda_min_clipped": -5.1}])
def test_dpmpp_2m_equals_diffusers(kind: str, final: str, n: int, config: dict[str, Any]) -> None:
    options = {k: v for k, v in config.items() if k != "set_alpha_to_one"}
    scheduler = DPMSolverMultistepScheduler(**options, prediction_type=kind, final_sigmas_type=final)
    theirs = diffusers_trajectory(scheduler, n, RAW[kind], start())
    assert_same_trajectory(run(scheduler, n, DpmSolverPP2M(n), ToyNetwork(kind)), theirs)


def test_dpmpp_2m_with_karras_sigmas_equals_diffusers() -> None:
    scheduler = DPMSolverMultistepScheduler(**STABLE_DIFFUSION, use_karras_sigmas=True)
    theirs = diffusers_trajectory(scheduler, 20, raw_epsilon, start())
    assert_same_trajectory(run(scheduler, 20, DpmSolverPP2M(20), ToyNetwork()), theirs)


def test_dpmpp_2m_from_pure_noise_equals_diffusers() -> None:
    config = {**STABLE_DIFFUSION, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    scheduler = DPMSolverMultistepScheduler(**config, timestep_spacing="trailing")
    theirs = diffusers_trajectory(scheduler, 20, RAW["v_prediction"], start())
    assert_same_trajectory(run(scheduler, 20, DpmSolverPP2M(20), ToyNetwork("v_prediction")), theirs)


@pytest.mark.parametrize("flow", [True, False])
def test_dpmpp_2m_for_flow_matching_equals_diffusers(flow: bool) -> None:
    scheduler = DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0, final_sigmas_type="zero"
    )
    if flow:
        theirs = diffusers_trajectory(scheduler, 20, RAW["flow"], start())
        assert_same_trajectory(run(scheduler, 20, DpmSolverPP2M(20), ToyNetwork("flow")), theirs)
    else:  # a list that begins at sigma 1, where log(a) is minus infinity
        xs = run(FlowMatchEulerDiscreteScheduler(), 20, DpmSolverPP2M(20), ToyNetwork("flow"))
        assert torch.isfinite(xs[-1]).all()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 25])
@pytest.mark.parametrize("offset", [0, 1])
def test_plms_equals_diffusers(n: int, offset: int) -> None:
    scheduler = PNDMScheduler(**STABLE_DIFFUSION, skip_prk_steps=True, steps_offset=offset)
    theirs = diffusers_trajectory(scheduler, n, raw_epsilon, start())
    assert_same_trajectory(run(scheduler, n, Plms(), ToyNetwork()), theirs)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_ddim_on_the_levels_of_an_euler_config_equals_euler(kind: str) -> None:
    scheduler = EulerDiscreteScheduler(**STABLE_DIFFUSION, prediction_type=kind)
    levels = levels_of(scheduler, 12)
    # Euler's x is x0 + sigma eps: ours divided by a
    theirs = diffusers_trajectory(scheduler, 12, RAW[kind], start() / levels[0].a)
    ours = trajectory(context(ToyNetwork(kind), levels, Ddim()))
    assert_same_trajectory([x / level.a for x, level in zip(ours, levels[1:], strict=True)], theirs)


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("n", [1, 4, 28])
def test_ddim_on_flow_levels_equals_flow_match_euler(shift: float, n: int) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    theirs = diffusers_trajectory(scheduler, n, RAW["flow"], start())
    assert_same_trajectory(run(scheduler, n, Ddim(), ToyNetwork("flow")), theirs)


class From(Control):
    def __init__(self, x: Tensor, index: int) -> None:
        self.begin = Start(x, index)

    def start(self, ctx: RunState) -> Start:
        return self.begin


FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
DETERMINISTIC: list[tuple[Callable[[int], Solver], dict[str, Any]]] = [
    (lambda n: Ddim(), {"_class_name": "DDIMScheduler", **LEADING}),
    (lambda n: Ddim(), {"_class_name": "EulerDiscreteScheduler"}),
    (lambda n: Ddim(), FLOW),
    (lambda n: DpmSolverPP2M(n), {"_class_name": "DPMSolverMultistepScheduler"}),
    (lambda n: DpmSolverPP2M(n), FLOW),
    (lambda n: Plms(), {"_class_name": "PNDMScheduler", "set_alpha_to_one": True}),
]


@pytest.mark.parametrize("case", range(len(DETERMINISTIC)))
@pytest.mark.parametrize("n", [1, 6, 16])
def test_a_network_that_knows_the_noise_leads_back_to_the_guide_from_any_start(case: int, n: int) -> None:
    make, config = DETERMINISTIC[case]
    solver = make(n)
    levels = Schedule.from_config(config).levels(n, solver.name)
    generator = torch.Generator().manual_seed(1)
    guide, eps = torch.rand(SHAPE, generator=generator) * 2 - 1, torch.randn(SHAPE, generator=generator)
    for index in range(len(levels) - 1):
        if levels[index].a == 0:
            continue  # pure noise: nothing of the guide is left
        xs = trajectory(context(Oracle(eps), levels, solver), [From(noised(guide, eps, levels[index]), index)])
        expected = noised(guide, eps, levels[-1])
        assert (xs[-1] - expected).abs().max() < 1e-4, f"from step {index}"


@pytest.mark.parametrize("index", [1, 2, 3])
def test_plms_that_begins_in_the_middle_follows_the_levels(index: int) -> None:
    levels = Schedule.from_config({"_class_name": "PNDMScheduler"}).levels(8, "plms")
    xs = trajectory(context(levels=levels, solver=Plms()), [From(start(), index)])
    assert len(xs) == len(levels) - 1 - index
    if index == 1:  # there is no first step to repeat with a better slope: nothing moves
        assert torch.allclose(xs[0], start(), atol=1e-6)


def gaussian(m: Tensor) -> Callable[[Tensor, Level], Tensor]:
    return lambda x, level: level.s * (x - level.a * m)


class GaussianNetwork:
    """The best possible network for data N(m, I)."""

    clip_sample = None

    def __init__(self, m: Tensor) -> None:
        self.eps = gaussian(m)

    def predict(self, x: Tensor, level: Any, cond: Any, taps: Any = ()) -> Prediction:
        return Prediction.from_eps(self.eps(x, level), x, level)


def test_the_ancestral_mean_contracts_towards_a_gaussian_as_the_algebra_says() -> None:
    generator = torch.Generator().manual_seed(2)
    m, x = torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)
    levels = Schedule.from_config({"_class_name": "DDIMScheduler", **STABLE_DIFFUSION}).levels(9)
    for here, target in itertools.pairwise(levels):
        visit = Evaluation(0, here, x, Prediction.from_eps(gaussian(m)(x, here), x, here))
        mean, std = Ddim(eta=1.0).step([visit], target)
        contracted = (here.a / target.a) * (x - here.a * m)
        assert torch.allclose(mean - target.a * m, contracted, atol=2e-5)
        assert std == pytest.approx(ddim_std(here, target, 1.0))


def test_ancestral_samples_of_a_gaussian_have_its_mean_and_approach_its_variance_from_below() -> None:
    shape = (1, 1, 128, 128)
    variances = []
    for n in (3, 20, 300):
        levels = Schedule.from_config({"_class_name": "DDIMScheduler", **STABLE_DIFFUSION}).levels(n)
        ctx = context(GaussianNetwork(torch.tensor(0.7)), levels, Ddim(eta=1.0), shape=shape)
        x = trajectory(ctx, [From(ctx.noised(torch.tensor(0.7), ctx.normal("start", 0), 0), 0)])[-1]
        assert float(x.mean()) == pytest.approx(0.7, abs=0.03)
        variances.append(float(x.var()))
    assert variances[0] < variances[1] < variances[2]
    assert variances[2] == pytest.approx(1.0, abs=0.05)


def test_deterministic_ddim_keeps_the_spread_of_a_gaussian_better_with_more_steps() -> None:
    m = torch.tensor(0.3)
    x = torch.linspace(-2, 2, 60).reshape(1, 3, 4, 5)
    errors = []
    for n in (5, 20, 80):
        levels = Schedule.from_config({"_class_name": "DDIMScheduler", **STABLE_DIFFUSION}).levels(n)
        exact = x - levels[0].a * m + m  # the probability flow moves the mean and nothing else
        got = trajectory(context(GaussianNetwork(m), levels, Ddim(), shape=(1, 3, 4, 5)), [From(x, 0)])[-1]
        errors.append(float((got - exact).abs().max()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.05
