"""Parity with the published inversions; where the compat preset and the default differ, what the difference is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise
from scumble.core.control import StepResult
from scumble.core.loop import denoise
from scumble.core.noise import GeneratorNoise
from scumble.core.prediction import Prediction
from scumble.core.schedule import Schedule
from scumble.core.solver import Evaluation
from scumble.core.solvers import ddim_std
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.batch import X0, EditBatch
from scumble.methods.cache import Cache
from scumble.methods.inversion_for import inversion_for
from scumble.models.base import Model

CASES = ["ddpm_inversion_cfg", "ddpm_inversion_empty", "ddpm_inversion_eta"]


def job_of(model: Model, case: Any, x0: str = "x0") -> EditBatch:
    noise = GeneratorNoise(torch.Generator().manual_seed(case.info["seed"]))
    return EditBatch(model, noise, 1, (128, 128), cache=Cache({X0: case[x0]}))


def settings_of(case: Any, **more: Any) -> InversionSettings:
    known, scale = case.settings, case.settings["cfg_source"]
    return InversionSettings(
        kind="edit-friendly",
        num_inference_steps=known["num_inference_steps"],
        skip=0.0,
        prompt=known["source_prompt"],
        guidance_scale=scale if isinstance(scale, float) else 3.5,
        eta=known.get("eta", 1.0),
        **more,
    )


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
@pytest.mark.parametrize("name", CASES)
def test_the_compat_preset_finds_the_published_noise(name: str, mode: Any, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    batch = job_of(tiny_sd, case)
    found = inversion_for(batch, settings_of(case, mode=mode, compat="official"))
    assert found.zs is not None
    torch.testing.assert_close(found.zs[:, 0].flip(0), case["zs"], atol=5e-4, rtol=0)
    torch.testing.assert_close(found.x_at(found.steps - 1), case["xts_1"], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.x_at(0), case["xts_N"], atol=1e-5, rtol=0)
    rows = 1 if case.settings["source_prompt"] == "" else 2
    assert batch.cost.forward_rows == rows * found.steps


def generated(batch: EditBatch, inversion: Inversion, prompt: str, scale: float) -> list[Tensor]:
    ctx = batch.context(inversion.levels, inversion.solver(batch.model))
    xs: list[Tensor] = []

    def collect(_: Any, result: StepResult) -> None:
        xs.append(result.x)

    with torch.no_grad():
        denoise(ctx, [StoredNoise(inversion), batch.guidance(prompt, "", scale)], on_step=collect)
    return xs


@pytest.mark.parametrize(
    ("name", "edit"), [(CASES[0], "rec"), (CASES[0], "edit"), (CASES[0], "two"), (CASES[1], "edit"), (CASES[2], "edit")]
)
def test_the_compat_preset_makes_the_published_edits(name: str, edit: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    told = case.settings["edits"][edit]
    batch = job_of(tiny_sd, case)
    inversion = inversion_for(batch, settings_of(case, mode="sequential", compat="official")).since(told["skip"])
    for row, (prompt, scale) in enumerate(zip(told["prompts"], told["cfg"], strict=True)):
        xs = generated(batch, inversion, prompt, scale)
        recorded = [key for key in case.tensors if key.startswith(f"{edit}_latent_")]
        assert recorded
        for key in recorded:
            step = int(key.rsplit("_", 1)[1])
            torch.testing.assert_close(xs[step][0], case[key][row], atol=1e-3, rtol=0)
        torch.testing.assert_close(xs[-1][0], case[f"{edit}_final"][row], atol=1e-3, rtol=0)


def test_the_published_code_misses_the_picture_by_its_last_noise_and_ours_does_not(
    tiny_sd: Model, reference: Any
) -> None:
    case = reference("ddpm_inversion_cfg")
    batch = job_of(tiny_sd, case)
    ours = inversion_for(batch, settings_of(case, chunk=1))
    batch.noise = GeneratorNoise(torch.Generator().manual_seed(case.info["seed"]))
    theirs = inversion_for(batch, settings_of(case, mode="sequential", compat="official"))
    prompt, scale = ours.prompt, ours.guidance_scale
    assert torch.equal(generated(batch, ours, prompt, scale)[-1], case["x0"])
    assert ours.zs is not None
    missed = case["x0"] - generated(batch, theirs, prompt, scale)[-1]
    last = ddim_std(ours.levels[-2], ours.levels[-1], 1.0) * ours.zs[-1]
    torch.testing.assert_close(missed, last, atol=5e-6, rtol=0)
    assert float(missed.abs().max()) > 0.01


def test_below_eta_1_the_published_direction_is_not_ddims(tiny_sd: Model, reference: Any) -> None:
    case = reference("ddpm_inversion_eta")
    batch = job_of(tiny_sd, case)
    ours = inversion_for(batch, settings_of(case, chunk=1))
    assert ours.zs is not None
    assert float((ours.zs[:-1, 0].flip(0) - case["zs"][1:]).abs().max()) > 0.1
    assert torch.equal(generated(batch, ours, ours.prompt, ours.guidance_scale)[-1], case["x0"])


def test_the_published_previous_level_differs_from_the_list_where_steps_do_not_divide_the_table(
    tiny_sd: Model, reference: Any
) -> None:
    case = reference("ddpm_inversion_empty")
    model: Any = copy.copy(tiny_sd)
    model.schedule = Schedule.from_config({**tiny_sd.schedule.config, "timestep_spacing": "linspace"})
    batch = job_of(model, case)
    theirs = inversion_for(batch, settings_of(case, compat="official"))
    levels = theirs.levels
    solver = theirs.solver(model)
    assert levels[0].t - 1000 // 12 != levels[1].t
    x, eps = theirs.x_at(0), torch.zeros_like(theirs.x_at(0))
    mean, _ = solver.step([Evaluation(0, levels[0], x, Prediction(x0=x, eps=eps))], levels[1])
    torch.testing.assert_close(mean, model.schedule.at(levels[0].t - 1000 // 12).a * x)


def test_ddim_inversion_with_guidance_reproduces_the_published_code(tiny_sd: Model, reference: Any) -> None:
    case = reference("ddim_inversion_ddpm_repo")
    model: Any = copy.copy(tiny_sd)
    model.schedule = Schedule.from_config({**tiny_sd.schedule.config, "steps_offset": 0})
    settings = InversionSettings(
        kind="ddim",
        num_inference_steps=12,
        prompt=case.settings["prompt"],
        guidance_scale=case.settings["cfg"],
        inversion_start="same",
    )
    found = inversion_for(job_of(model, case), settings)
    torch.testing.assert_close(found.xs[:-1, 0].flip(0)[:4], case["latents"], atol=1e-3, rtol=0)
    torch.testing.assert_close(found.x_at(0), case["final"], atol=1e-3, rtol=0)


def test_plain_ddim_inversion_reproduces_diffusers_inverse_scheduler(tiny_sd: Model, reference: Any) -> None:
    case = reference("diffusers_ddim_inverse")
    settings = InversionSettings(
        kind="ddim", num_inference_steps=10, prompt=case.settings["prompt"], inversion_start="same"
    )
    found = inversion_for(job_of(tiny_sd, case, "z0"), settings)
    assert [level.t for level in found.levels[:-1]] == case["timesteps"].flip(0).tolist()
    torch.testing.assert_close(found.xs[:-1, 0].flip(0)[:3], case["latents"], atol=1e-4, rtol=0)
