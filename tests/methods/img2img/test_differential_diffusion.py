"""Differential Diffusion: parity with the published code, and what must hold exactly on any weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.change_map import ChangeMap, NoisedSource, release_index, start_index
from scumble.core.conditioning import Conditioning
from scumble.core.guidance import Guidance, following, relative
from scumble.core.noise import CounterNoise
from scumble.methods.batch import EditBatch
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.models.base import Model

CASES = [
    "diffdiff_ramp_ddim",
    "diffdiff_random_ddim",
    "diffdiff_nocfg_ddim",
    "diffdiff_steps_ddim_strength",
    "diffdiff_ramp_pndm",
]


def make_job(model: Model, seeds: tuple[int, ...] = (3,), change: Tensor | None = None, size: int = 64) -> EditBatch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, size, size, generator=generator) * 2 - 1
    return EditBatch(model, CounterNoise(seeds), len(seeds), (size, size), image=image, change=change)


def ramp(size: int = 64, low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.linspace(low, high, size).expand(1, 1, size, size).contiguous()


@pytest.mark.parametrize("name", CASES)
def test_official_preset_reproduces_the_published_code(
    name: str, tiny_sd: Model, reference: Any, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = reference(name)
    settings = case.settings
    noise = recorded({"vae": case["draw_vae"], "start": case["draw_eps"]})
    h, w = case["z0"].shape[2] * 8, case["z0"].shape[3] * 8
    keep = case["map"].float() / 255 if case["map"].dtype == torch.uint8 else case["map"]
    change = 1.0 - keep.reshape(1, 1, *keep.shape[-2:]).expand(1, 1, h, w)
    method = DifferentialDiffusion(
        prompt=settings["prompt"],
        negative_prompt=settings.get("negative_prompt", ""),
        guidance_scale=settings["guidance_scale"],
        num_inference_steps=settings["num_inference_steps"],
        strength=settings["strength"],
        solver="plms" if "pndm" in name else "ddim",
        compat="official",
    )
    seen: list[Tensor] = []
    batch = EditBatch(tiny_sd, noise, 1, (w, h), image=torch.zeros(1, 3, h, w), change=change)
    batch.on_step = lambda step: None
    if "image" in case.tensors:
        batch.image = case["image"].float()[None] / 127.5 - 1
        torch.testing.assert_close(batch.posterior_draw(), case["z0"], atol=1e-4, rtol=0)
    monkeypatch.setattr(EditBatch, "posterior_draw", lambda self: case["z0"])
    original = tiny_sd.predict

    def spy(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(x[:1].clone())
        return original(x, *args, **kwargs)

    monkeypatch.setattr(tiny_sd, "predict", spy)
    result = method.run(batch)
    assert result is not None
    calls = len(case["timesteps"])
    assert len(seen) == calls
    for k in range(calls):
        if f"unet_in_{k}" in case.tensors:
            torch.testing.assert_close(seen[k], case[f"unet_in_{k}"], atol=1e-3, rtol=0)
    torch.testing.assert_close(result, case[f"latent_{calls - 1}"], atol=1e-3, rtol=0)


def test_default_releases_as_sdedit_does_where_the_published_code_is_one_step_early() -> None:
    change = torch.tensor([0.0, 0.3, 0.5, 1.0]).reshape(1, 1, 1, 4)
    assert release_index(change, 10).flatten().tolist() == [10, 7, 5, 0]
    assert [start_index(c, 10) for c in (0.0, 0.3, 0.5, 1.0)] == [10, 7, 5, 0]


def test_start_index_agrees_with_release_index_for_every_grid_strength() -> None:
    for steps in range(1, 101):
        values = torch.arange(0, 101, dtype=torch.float64) / 100
        released = release_index(values.reshape(1, 1, 1, -1), steps).flatten().tolist()
        assert released == [start_index(float(v), steps) for v in values]


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("value", [0.2, 0.5, 0.77, 1.0])
def test_a_constant_map_equals_sdedit_bit_for_bit(tiny_sd: Model, value: float, eta: float) -> None:
    options: dict[str, Any] = {"prompt": "a house", "num_inference_steps": 6, "eta": eta, "guidance_scale": 3.0}
    change = torch.full((1, 1, 64, 64), value)
    mapped = DifferentialDiffusion(**options).run(make_job(tiny_sd, change=change))
    plain = SDEdit(strength=value, **options).run(make_job(tiny_sd))
    assert mapped is not None and plain is not None
    assert torch.equal(mapped, plain)


@pytest.mark.parametrize(("solver", "eta"), [("ddim", 0.0), ("ddim", 1.0), ("dpmpp_2m", 0.0)])
def test_leading_skip_is_bitwise_the_full_run_and_saves_the_calls(tiny_sd: Model, solver: str, eta: float) -> None:
    method = DifferentialDiffusion(num_inference_steps=8, solver=solver, eta=eta)  # type: ignore[arg-type]
    results, calls = [], []
    for skip in (True, False):
        batch = make_job(tiny_sd, change=ramp(high=0.5))
        levels = batch.levels(8, solver)
        keep_outside_map = ChangeMap(release_index(batch.latent_change(), 8), NoisedSource(batch.x0), skip=skip)
        guidance = batch.guidance("a house", "", 3.0)
        results.append(batch.denoise(levels, method.make_solver(batch, 8), [keep_outside_map, guidance]))
        calls.append(batch.cost.network_calls)
    assert torch.equal(results[0], results[1])
    begin = 4 if solver == "ddim" else 3
    assert calls == [8 - begin, 8]


def test_held_pixels_are_the_noised_source_at_every_call(tiny_sd: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    original = tiny_sd.predict

    def spy(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(x[:1].clone())
        return original(x, *args, **kwargs)

    monkeypatch.setattr(tiny_sd, "predict", spy)
    batch = make_job(tiny_sd, change=ramp(low=-0.4).clamp_min(0))
    result = DifferentialDiffusion(prompt="a house", num_inference_steps=8).run(batch)
    levels = batch.levels(8)
    release = release_index(batch.latent_change(), 8)
    eps = CounterNoise([3]).normal(batch.shape, "start")
    held = [release >= i for i in range(8)]
    for i, x in enumerate(seen):
        source = levels[i].a * batch.x0 + levels[i].s * eps
        assert torch.equal(x[held[i].expand_as(x)], source[held[i].expand_as(x)])
        assert i == 0 or bool((held[i] <= held[i - 1]).all())
    assert result is not None
    never = (release == 8).expand_as(result)
    assert never.any()
    assert torch.equal(result[never], batch.x0[never])


def test_map_values_matter_only_through_the_step_of_release(tiny_sd: Model) -> None:
    method = DifferentialDiffusion(prompt="a house", num_inference_steps=5, guidance_map="constant")
    base = (torch.arange(64) // 16).float().expand(1, 1, 64, 64) / 5
    one, two = (method.run(make_job(tiny_sd, change=base + shift)) for shift in (0.02, 0.17))
    assert one is not None and two is not None and torch.equal(one, two)


def test_samples_with_their_own_maps_equal_single_runs(tiny_sd: Model) -> None:
    maps = torch.cat([ramp(), ramp(low=0.4, high=0.9)])
    method = DifferentialDiffusion(prompt="a house", num_inference_steps=5)
    both = method.run(make_job(tiny_sd, seeds=(3, 4), change=maps))
    assert both is not None
    for k in range(2):
        single = method.run(make_job(tiny_sd, seeds=(3 + k,), change=maps[k : k + 1]))
        torch.testing.assert_close(both[k : k + 1], single, atol=1e-4, rtol=0)


def test_without_future_hinting_the_result_differs(tiny_sd: Model) -> None:
    nested, single = (
        DifferentialDiffusion(prompt="a house", num_inference_steps=6, nested=n).run(make_job(tiny_sd, change=ramp()))
        for n in (True, False)
    )
    assert nested is not None and single is not None
    assert (nested - single).abs().max() > 1e-2


def test_strength_scales_the_map(tiny_sd: Model) -> None:
    scaled = DifferentialDiffusion(prompt="a house", num_inference_steps=10, strength=0.5)
    batch = make_job(tiny_sd, change=torch.full((1, 1, 64, 64), 0.6))
    assert scaled.run(batch) is not None
    assert batch.cost.network_calls == 3


def test_guidance_follows_the_map_relative_to_its_strongest_place(tiny_sd: Model) -> None:
    follow = DifferentialDiffusion(prompt="a house", num_inference_steps=6)
    constant = follow.model_copy(update={"guidance_map": "constant"})
    uneven, even = ramp(), torch.full((1, 1, 64, 64), 0.37)
    one, two = (method.run(make_job(tiny_sd, change=uneven)) for method in (follow, constant))
    assert one is not None and two is not None and (one - two).abs().max() > 1e-3
    one, two = (method.run(make_job(tiny_sd, change=even)) for method in (follow, constant))
    assert one is not None and two is not None and torch.equal(one, two)


def test_where_the_map_is_full_guidance_is_full_and_elsewhere_it_grows_with_the_map() -> None:
    change = torch.tensor([[[[0.0, 0.2, 0.4]]], [[[0.1, 0.5, 1.0]]]])
    guidance = following(Guidance(Conditioning(), Conditioning(), 5.0), relative(change))
    expected = torch.tensor([[[[1.0, 3.0, 5.0]]], [[[1.4, 3.0, 5.0]]]])
    torch.testing.assert_close(guidance.scales, expected)
    assert (relative(torch.zeros(1, 1, 2, 2)) == 1).all()


def test_words_of_the_source_hold_where_the_map_is_weak_and_cost_a_row_only_there(tiny_sd: Model) -> None:
    described = DifferentialDiffusion(prompt="a house", source_prompt="a dog", num_inference_steps=6)
    plain = described.model_copy(update={"source_prompt": ""})
    even = [make_job(tiny_sd, change=torch.full((1, 1, 64, 64), 0.5)) for _ in range(2)]
    one, two = (method.run(batch) for method, batch in zip((described, plain), even, strict=True))
    assert one is not None and two is not None and torch.equal(one, two)
    assert even[0].cost.forward_rows == even[1].cost.forward_rows
    uneven = [make_job(tiny_sd, change=ramp()) for _ in range(2)]
    one, two = (method.run(batch) for method, batch in zip((described, plain), uneven, strict=True))
    assert one is not None and two is not None and not torch.equal(one, two)
    assert uneven[0].cost.forward_rows == uneven[1].cost.forward_rows * 3 // 2
