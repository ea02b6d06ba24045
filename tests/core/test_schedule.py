"""Levels of a run equal those of the diffusers scheduler that the config names."""

from __future__ import annotations

import itertools
import math
from typing import Any

import diffusers
import numpy as np
import pytest
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
)

from scumble.core.schedule import Level, Schedule, conditional_variance
from tests.support.toys import BETAS, STABLE_DIFFUSION, sigma

SPACINGS = ("leading", "trailing", "linspace")
STEPS = (1, 2, 7, 10, 20, 50, 333, 999)


def schedule_of(kind: type, **config: Any) -> Schedule:
    return Schedule.from_config({"_class_name": kind.__name__, **config})


def times(levels: tuple[Level, ...]) -> list[float]:
    return [level.t for level in levels[:-1]]


def assert_level(level: Level, abar: float) -> None:
    assert level.a == pytest.approx(math.sqrt(abar), rel=1e-7)
    assert level.s == pytest.approx(math.sqrt(1 - abar), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("kind", [DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_the_table_is_diffusers_to_the_last_bit(betas: str, kind: type, zero_snr: bool) -> None:
    config = {**BETAS[betas], "rescale_betas_zero_snr": zero_snr}
    table = schedule_of(kind, **config).alphas_cumprod
    assert table is not None
    assert table.dtype == np.float64
    assert np.array_equal(table, kind(**config).alphas_cumprod.double().numpy())


def test_trained_betas_are_used_as_they_are() -> None:
    betas = [0.01, 0.02, 0.05, 0.1, 0.3]
    config = {"trained_betas": betas, "num_train_timesteps": 5, "beta_schedule": "scaled_linear"}
    schedule = schedule_of(DDIMScheduler, **config)
    assert schedule.alphas_cumprod == pytest.approx(np.cumprod(1 - np.array(betas)), rel=1e-6)
    assert times(schedule.levels(5)) == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("to_one", [True, False])
def test_ddim_levels_are_diffusers(betas: str, spacing: str, offset: int, to_one: bool) -> None:
    config = {**BETAS[betas], "timestep_spacing": spacing, "steps_offset": offset, "set_alpha_to_one": to_one}
    scheduler, schedule = DDIMScheduler(**config), schedule_of(DDIMScheduler, **config)
    for n in STEPS:
        scheduler.set_timesteps(n)
        levels = schedule.levels(n)
        assert times(levels) == scheduler.timesteps.tolist()
        for level in levels[:-1]:
            assert_level(level, float(scheduler.alphas_cumprod[int(level.t)]))
        assert_level(levels[-1], float(scheduler.final_alpha_cumprod))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("offset", [0, 1])
def test_ddpm_levels_are_diffusers_and_end_clean(spacing: str, offset: int) -> None:
    config = {"timestep_spacing": spacing, "steps_offset": offset, "set_alpha_to_one": False}
    scheduler = DDPMScheduler(timestep_spacing=spacing, steps_offset=offset)
    for n in STEPS:
        scheduler.set_timesteps(n)
        levels = schedule_of(DDPMScheduler, **config).levels(n)
        assert times(levels) == scheduler.timesteps.tolist()
        assert (levels[-1].a, levels[-1].s) == (1.0, 0.0)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("to_one", [None, True, False])
def test_plms_levels_are_diffusers_with_the_second_one_twice(spacing: str, to_one: bool | None) -> None:
    config = {**STABLE_DIFFUSION, "timestep_spacing": spacing, "steps_offset": 1}
    if to_one is not None:
        config["set_alpha_to_one"] = to_one
    scheduler = PNDMScheduler(skip_prk_steps=True, **config)
    for n in (1, 2, 3, 10, 50):
        scheduler.set_timesteps(n)
        levels = schedule_of(PNDMScheduler, **config).levels(n, "plms")
        assert times(levels) == scheduler.timesteps.tolist()
        assert len(levels) == (n + 2 if n > 1 else 2)
        assert_level(levels[-1], float(scheduler.final_alpha_cumprod))


def test_plms_levels_do_not_depend_on_the_class_that_wrote_the_config() -> None:
    plain = schedule_of(PNDMScheduler).levels(10, "plms")
    assert schedule_of(EulerDiscreteScheduler, use_karras_sigmas=True).levels(10, "plms") == plain
    assert schedule_of(DDIMScheduler).levels(10, "plms") == plain


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_euler_levels_are_diffusers_also_between_timesteps(betas: str, spacing: str, final: str) -> None:
    config = {**BETAS[betas], "timestep_spacing": spacing, "steps_offset": 1, "final_sigmas_type": final}
    scheduler, schedule = EulerDiscreteScheduler(**config), schedule_of(EulerDiscreteScheduler, **config)
    for n in STEPS:
        scheduler.set_timesteps(n)
        levels = schedule.levels(n)
        assert times(levels) == scheduler.timesteps.tolist()
        assert [sigma(level) for level in levels] == pytest.approx(scheduler.sigmas.tolist(), rel=1e-5, abs=1e-9)
    if spacing == "linspace":
        assert any(not t.is_integer() for t in times(schedule.levels(7)))


def test_euler_ancestral_lists_the_timesteps_of_diffusers() -> None:
    scheduler = EulerAncestralDiscreteScheduler()
    scheduler.set_timesteps(7)
    levels = schedule_of(EulerAncestralDiscreteScheduler).levels(7)
    assert times(levels) == scheduler.timesteps.tolist()
    assert [sigma(level) for level in levels] == pytest.approx(scheduler.sigmas.tolist(), rel=1e-5)


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_dpm_levels_are_diffusers(betas: str, spacing: str, final: str) -> None:
    config = {**BETAS[betas], "timestep_spacing": spacing, "final_sigmas_type": final}
    scheduler, schedule = DPMSolverMultistepScheduler(**config), schedule_of(DPMSolverMultistepScheduler, **config)
    for n in STEPS:
        scheduler.set_timesteps(n)
        levels = schedule.levels(n, "dpmpp_2m")
        assert times(levels) == scheduler.timesteps.tolist()
        assert [sigma(level) for level in levels] == pytest.approx(scheduler.sigmas.tolist(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_dpm_levels_begin_where_the_clipped_log_snr_says(spacing: str) -> None:
    config = {**BETAS["cosine"], "timestep_spacing": spacing, "lambda_min_clipped": -5.1}
    scheduler = DPMSolverMultistepScheduler(**config)
    scheduler.set_timesteps(20)
    levels = schedule_of(DPMSolverMultistepScheduler, **config).levels(20, "dpmpp_2m")
    assert times(levels) == scheduler.timesteps.tolist()
    assert levels[0].t < 999


@pytest.mark.parametrize("kind", [DPMSolverMultistepScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_karras_levels_are_diffusers(kind: Any, betas: str, spacing: str, final: str) -> None:
    config = {
        **BETAS[betas], "use_karras_sigmas": True, "timestep_spacing": spacing, "final_sigmas_type": final,
    }  # fmt: skip
    scheduler, schedule = kind(**config), schedule_of(kind, **config)
    solver, slack = ("dpmpp_2m", 0.0) if kind is DPMSolverMultistepScheduler else ("ddim", 1e-2)
    if betas == "cosine" and solver == "dpmpp_2m":
        slack = 1.0  # diffusers cuts 998.9999 off to 998 there, where the exact value is 999
    for n in (2, 7, 10, 20, 50):
        scheduler.set_timesteps(n)
        levels = schedule.levels(n, solver)
        assert times(levels) == pytest.approx(scheduler.timesteps.tolist(), abs=slack)
        assert [sigma(level) for level in levels] == pytest.approx(scheduler.sigmas.tolist(), rel=1e-5, abs=1e-9)


def test_karras_levels_keep_to_the_limits_of_the_config() -> None:
    config = {"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 9.0}
    levels = schedule_of(EulerDiscreteScheduler, **config).levels(12)
    assert sigma(levels[0]) == pytest.approx(9.0)
    assert sigma(levels[-2]) == pytest.approx(0.1)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_levels_are_diffusers(shift: float) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    schedule = schedule_of(FlowMatchEulerDiscreteScheduler, shift=shift)
    assert schedule.prediction_type == "flow"
    for n in STEPS:
        scheduler.set_timesteps(n)
        levels = schedule.levels(n)
        assert times(levels) == pytest.approx(scheduler.timesteps.tolist(), rel=1e-5)
        assert [level.s for level in levels] == pytest.approx(scheduler.sigmas.tolist(), rel=1e-5)
        assert all(level.a == 1 - level.s for level in levels)


def test_flow_levels_of_a_dpm_config_are_diffusers() -> None:
    config = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
    scheduler = DPMSolverMultistepScheduler(**config)
    scheduler.set_timesteps(20)
    levels = schedule_of(DPMSolverMultistepScheduler, **config).levels(20, "dpmpp_2m")
    assert times(levels) == scheduler.timesteps.tolist()
    assert [level.s for level in levels] == pytest.approx(scheduler.sigmas.tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "solver"),
    [
        ("DDIMScheduler", "ddim"),
        ("DDPMScheduler", "ddpm"),
        ("PNDMScheduler", "plms"),
        ("EulerDiscreteScheduler", "ddim"),
        ("DPMSolverMultistepScheduler", "dpmpp_2m"),
    ],
)
def test_missing_keys_have_the_defaults_of_the_named_class(name: str, solver: str) -> None:
    options = {"skip_prk_steps": True} if solver == "plms" else {}
    scheduler = getattr(diffusers, name)(**options)
    scheduler.set_timesteps(7)
    schedule = Schedule.from_config({"_class_name": name})
    assert times(schedule.levels(7, solver)) == scheduler.timesteps.tolist()
    assert schedule.clip_sample == (1.0 if scheduler.config.get("clip_sample") else None)


def test_defaults_recorded_by_a_live_scheduler_do_not_bind_another_solver() -> None:
    live = DDIMScheduler(**STABLE_DIFFUSION).config
    assert live["timestep_spacing"] == "leading"
    dpm = DPMSolverMultistepScheduler.from_config(live)
    dpm.set_timesteps(20)
    assert times(Schedule.from_config(live).levels(20, "dpmpp_2m")) == dpm.timesteps.tolist()
    chosen = DDIMScheduler(timestep_spacing="leading").config
    dpm = DPMSolverMultistepScheduler.from_config(chosen)
    dpm.set_timesteps(20)
    assert times(Schedule.from_config(chosen).levels(20, "dpmpp_2m")) == dpm.timesteps.tolist()


def test_trailing_spacing_never_lists_a_step_too_many() -> None:
    schedule = schedule_of(DDIMScheduler, timestep_spacing="trailing")
    for n in (1, 2, 3, 61, 103, 121, 499, 769, 998, 1000):  # numpy lists 62 for N = 61, the last at timestep -1
        for solver in ("ddim", "dpmpp_2m"):
            levels = schedule.levels(n, solver)
            assert len(levels) == n + 1
            assert min(times(levels)) >= 0


def test_levels_become_less_noisy_with_every_step() -> None:
    for kind in (DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler):
        for solver in ("ddim", "dpmpp_2m"):
            levels = schedule_of(kind).levels(50, solver)
            assert all(sigma(a) > sigma(b) for a, b in itertools.pairwise(levels))


@pytest.mark.parametrize("n", [0, -3, 1001])
def test_a_number_of_steps_that_does_not_fit_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=rf"1 to 1000, got {n}"):
        schedule_of(DDIMScheduler).levels(n)


def test_an_offset_beyond_the_table_is_refused_with_a_number_that_fits() -> None:
    schedule = schedule_of(DDIMScheduler, steps_offset=1)
    with pytest.raises(ValueError, match="use 999 steps"):
        schedule.levels(1000)
    assert schedule.levels(999)[0].t == 999


@pytest.mark.parametrize("spacing", ["leading", "linspace"])
def test_dpm_refuses_to_visit_a_timestep_twice(spacing: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        schedule_of(DPMSolverMultistepScheduler, timestep_spacing=spacing).levels(1000, "dpmpp_2m")


def test_zero_terminal_snr_begins_at_pure_noise_and_is_finite_for_dpm() -> None:
    schedule = schedule_of(DDIMScheduler, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    assert (schedule.levels(10)[0].a, schedule.levels(10)[0].s) == (0.0, 1.0)
    dpm = DPMSolverMultistepScheduler(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    dpm.set_timesteps(10)
    assert [sigma(lv) for lv in schedule.levels(10, "dpmpp_2m")] == pytest.approx(dpm.sigmas.tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"beta_schedule": "cubic"}, "beta_schedule 'cubic'"),
        ({"prediction_type": "score"}, "prediction_type 'score'"),
        ({"timestep_spacing": "random"}, "timestep_spacing 'random'"),
        ({"_class_name": "EDMEulerScheduler"}, "EDMEulerScheduler"),
        ({"use_lu_lambdas": True}, "use_lu_lambdas"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}, "use_dynamic_shifting"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_karras_sigmas": True}, "use_karras_sigmas"),
    ],
)
def test_what_is_not_read_is_refused_by_name(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Schedule.from_config(config)


def test_plms_is_refused_for_flow_matching() -> None:
    with pytest.raises(ValueError, match="plms"):
        schedule_of(FlowMatchEulerDiscreteScheduler).levels(10, "plms")


@pytest.mark.parametrize("t", [-1, 1000, 999.5 + 1])
def test_a_timestep_outside_the_table_is_refused(t: float) -> None:
    with pytest.raises(ValueError, match="outside the table"):
        schedule_of(DDIMScheduler).at(t)


def test_at_interpolates_sigma_between_timesteps() -> None:
    schedule = schedule_of(DDIMScheduler)
    low, middle, high = (sigma(schedule.at(t)) for t in (500, 500.25, 501))
    assert middle == pytest.approx(0.75 * low + 0.25 * high)
    flow = schedule_of(FlowMatchEulerDiscreteScheduler)
    assert flow.at(250.0) == Level(t=250.0, a=0.75, s=0.25)


def test_clip_range_is_read_and_off_where_the_class_has_none() -> None:
    assert schedule_of(DDPMScheduler, clip_sample_range=2.5).clip_sample == 2.5
    assert schedule_of(DDIMScheduler, clip_sample=False).clip_sample is None
    assert schedule_of(PNDMScheduler).clip_sample is None


def test_conditional_variance_composes_to_the_noisier_marginal() -> None:
    schedule = schedule_of(DDIMScheduler)
    noisy, clean = schedule.at(700), schedule.at(300)
    total = (noisy.a / clean.a) ** 2 * clean.s**2 + conditional_variance(noisy, clean)
    assert total == pytest.approx(noisy.s**2, rel=1e-12)
    assert conditional_variance(clean, noisy) == 0.0
