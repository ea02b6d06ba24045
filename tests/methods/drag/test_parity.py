"""DragNoise and DragDiffusion against tensors recorded from the published code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.source_branch import SourceBranch
from scumble.controls.start import StartAt
from scumble.core.guidance import Guidance
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import X0, EditBatch
from scumble.methods.cache import Cache
from scumble.methods.drag.bottleneck import Bottleneck
from scumble.methods.drag.drag_diffusion import DragDiffusion
from scumble.methods.drag.drag_noise import DragNoise
from scumble.methods.drag.reference_attention import ReferenceAttention, reference_layers
from scumble.methods.drag.supervision import FeatureGrid, supervision_site
from scumble.methods.official import drag_diffusion as official_diffusion
from scumble.methods.official import drag_noise as official_noise
from scumble.models.base import Model
from scumble.models.frozen import frozen


def pixel_mask(case: Any, size: tuple[int, int]) -> Tensor | None:
    """The mask that was drawn, as a change map in pixels; None where none was."""
    mask = case["mask"].float()
    if not mask.any():
        return None
    return mask.repeat_interleave(size[0] // mask.shape[-1], -1).repeat_interleave(size[1] // mask.shape[-2], -2)


def job_of(model: Model, case: Any) -> tuple[EditBatch, Inversion]:
    """A job whose inversion begins at the recorded latent."""
    z = case["z_star"]
    size = (z.shape[-1] * 8, z.shape[-2] * 8)
    levels = model.schedule.levels(50)
    used = case.settings["used_steps"]
    assert levels[50 - used].t == case["t_star"]
    xs = torch.stack([z] * (used + 1))
    inversion = Inversion("ddim", levels, 50 - used, xs, eta=0.0)
    batch = EditBatch(model, CounterNoise([0]), 1, size, image=torch.zeros(1, 3, size[1], size[0]))
    return replace(batch, change=pixel_mask(case, size), inversion=inversion), inversion


def options(case: Any, **more: Any) -> dict[str, Any]:
    s, flat = case.settings, case["points"].flatten().tolist()
    points = tuple(tuple(flat[k : k + 4]) for k in range(0, len(flat), 4))
    given = {
        "points": points,
        "prompt": s["prompt"],
        "strength": 0.7,
        "learning_rate": s["lr"],
        "mask_weight": s["lam"],
        "patch_radius": s["r_m"],
        "radius": s["r_p"],
        "iterations": s["iterations"],
    }
    return {**given, "compat": "official", **more}


def test_the_prompt_has_the_recorded_tokens(tiny_sd: Model, reference: Any) -> None:
    case = reference("dragnoise_mask")
    tokens = tiny_sd.tokens(case.settings["prompt"])
    assert case["ids"][0, : len(tokens)].tolist() == tokens


@pytest.mark.parametrize("name", ["dragnoise_mask", "dragnoise_nonsquare", "dragdiffusion_border"])
def test_inversion_reaches_the_recorded_latent(name: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    batch, _ = job_of(tiny_sd, case)
    batch = replace(batch, inversion=None, cache=Cache({X0: case["z0"]}))
    method = DragNoise(points=((0, 0, 1, 1),), prompt=case.settings["prompt"], strength=0.7)
    found = official_noise.inverted(method, batch)
    torch.testing.assert_close(found.x_at(15), case["z_star"], atol=1e-4, rtol=0)


def compare(drag: Any, case: Any) -> None:
    assert torch.equal(torch.stack(drag.path[: len(case["handles"])]), case["handles"])
    torch.testing.assert_close(torch.tensor(drag.losses), case["losses"], rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("name", ["dragnoise_mask", "dragnoise_nomask", "dragnoise_nonsquare"])
def test_compat_preset_reproduces_dragnoise(name: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    lr = case.settings["lr"]
    batch, inversion = job_of(tiny_sd, case)
    pairs = official_noise.grid(DragNoise(**options(case)), batch)
    assert torch.equal(pairs.handles, case["handles_start"])
    assert torch.equal(pairs.targets, case["targets"])
    whole = official_noise.optimized(DragNoise(**options(case)), batch, inversion)
    compare(whole, case)
    difference = (whole.value - case["h_final"]).abs() / lr
    assert difference.mean() < 0.1
    assert difference.max() < 2
    first = official_noise.optimized(DragNoise(**options(case, iterations=1)), batch, inversion)
    torch.testing.assert_close(first.value, case["h_1"], atol=0.05 * lr, rtol=0)
    fifth = official_noise.optimized(DragNoise(**options(case, iterations=5)), batch, inversion).value - case["h_5"]
    assert fifth.abs().mean() < 0.05 * lr
    assert fifth.abs().max() < 2 * lr
    start = official_noise.optimized(DragNoise(**options(case, iterations=0)), batch, inversion)
    torch.testing.assert_close(start.value, case["h_0"], atol=5e-5, rtol=0)


@pytest.mark.parametrize("name", ["dragnoise_mask", "dragnoise_nomask"])
def test_propagation_of_the_recorded_bottleneck(name: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    batch, _ = job_of(tiny_sd, case)
    cond = batch.embed(case.settings["prompt"])
    until = 50 - case.settings["propagation"]["end_step"]
    controls = [StartAt(case["z_star"], 15), Guidance(cond, cond), Bottleneck(case["h_final"], until)]
    made = batch.denoise(batch.levels(50), Ddim(), controls)
    torch.testing.assert_close(made, case["prop_latent_35"][-1:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["dragnoise_mask", "dragnoise_nonsquare", "dragdiffusion_mask"])
def test_the_supervision_grid_sees_the_recorded_features(name: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    batch, inversion = job_of(tiny_sd, case)
    kind: Any = DragNoise if name.startswith("dragnoise") else DragDiffusion
    site = supervision_site(tiny_sd.denoiser)
    assert site == "up_blocks.2"
    seen: list[Tensor] = []
    from scumble.models.taps import Tap

    with torch.no_grad():
        cond = batch.embed(case.settings["prompt"])
        prediction = tiny_sd.predict(inversion.x_at(15), inversion.levels[15], cond, [Tap(site, seen.append)])
    torch.testing.assert_close(prediction.eps, case["eps_start"], atol=2e-5, rtol=0)
    pairs = official_noise.grid(kind(**options(case)), batch)
    grid = FeatureGrid(seen[0][0], pairs.size)
    torch.testing.assert_close(grid.window(pairs.handles[0], 6)[None], case["feature_window"], atol=2e-5, rtol=0)
    rows, columns = (torch.arange(0, n, 16).float() for n in pairs.size)
    torch.testing.assert_close(grid.at(rows, columns)[None], case["feature_coarse"], atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ["dragdiffusion_mask", "dragdiffusion_nomask", "dragdiffusion_border"])
def test_compat_preset_reproduces_dragdiffusion(name: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    lr = case.settings["lr"]
    batch, inversion = job_of(tiny_sd, case)
    whole = official_diffusion.optimized(DragDiffusion(**options(case)), batch, inversion)
    compare(whole, case)
    difference = (whole.value - case["z_final"]).abs() / lr
    assert difference.mean() < 0.1
    assert difference.max() < 2
    first = official_diffusion.optimized(DragDiffusion(**options(case, iterations=1)), batch, inversion)
    torch.testing.assert_close(first.value, case["z_1"], atol=0.05 * lr, rtol=0)
    fifth = (
        official_diffusion.optimized(DragDiffusion(**options(case, iterations=5)), batch, inversion).value - case["z_5"]
    )
    assert fifth.abs().mean() < 0.05 * lr
    assert fifth.abs().max() < 2 * lr


@pytest.mark.parametrize("name", ["dragdiffusion_mask", "dragdiffusion_nomask"])
def test_reference_control_reproduces_the_recorded_sampling(name: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    batch, _ = job_of(tiny_sd, case)
    cond = batch.embed(case.settings["prompt"])
    start = case.settings["propagation"]["start_layer"]
    layers = reference_layers(tiny_sd.denoiser, start)
    assert start != 10 or layers == reference_layers(tiny_sd.denoiser)
    guidance = Guidance(cond, cond)
    beside = SourceBranch(guidance, x=case["z_star"])
    made = batch.denoise(
        batch.levels(50), Ddim(), [StartAt(case["z_final"], 15), guidance, beside, ReferenceAttention(layers, 15)]
    )
    assert beside.x is not None
    both = torch.cat([beside.x, made])
    torch.testing.assert_close(both, case["sample_latent_35"], atol=1e-4, rtol=0)


def test_generated_mode_with_guidance(tiny_sd: Model, reference: Any) -> None:
    case = reference("dragdiffusion_generated")
    lr, w = case.settings["lr"], case.settings["guidance_scale"]
    batch, inversion = job_of(tiny_sd, case)
    method = DragDiffusion(**options(case, guidance_scale=w, start_layer=10))
    whole = official_diffusion.optimized(method, batch, inversion)
    compare(whole, case)
    difference = (whole.value - case["z_final"]).abs() / lr
    assert difference.mean() < 0.05
    assert difference.max() < 2
    first = official_diffusion.optimized(
        DragDiffusion(**options(case, guidance_scale=w, iterations=1)), batch, inversion
    )
    torch.testing.assert_close(first.value, case["z_1"], atol=0.1 * lr, rtol=0)
    guidance = batch.guidance(case.settings["prompt"], "", w)
    for steps, tolerance in ((1, 1e-4), (35, 1e-3)):
        beside = SourceBranch(guidance, x=case["z_star"])
        layers = reference_layers(tiny_sd.denoiser, 10)
        controls = [StartAt(case["z_final"], 15), guidance, beside, ReferenceAttention(layers, 15)]
        levels = batch.levels(50)[: 16 + steps]
        made = batch.denoise(levels, Ddim(), controls)
        assert beside.x is not None
        expected = case[f"sample_latent_{steps}"]
        torch.testing.assert_close(torch.cat([beside.x, made]), expected, atol=tolerance, rtol=0)


def test_the_whole_compat_run_ends_near_the_recorded_one(tiny_sd: Model, reference: Any) -> None:
    """Through every part of the method, from the recorded start: only Adam's sign flips stand between the two."""
    case = reference("dragdiffusion_nomask")
    batch, inversion = job_of(tiny_sd, case)
    method = DragDiffusion(**options(case, start_layer=8))
    with frozen(tiny_sd.denoiser):
        drag = official_diffusion.optimized(method, batch, inversion)
    made = official_diffusion.denoised(method, batch, inversion, drag)
    assert (made - case["sample_latent_35"][1:]).abs().mean() < 1e-2
