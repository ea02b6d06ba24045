"""Blended Diffusion and its weaker baseline: parity with the published code, and what must hold on any weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.controls.classifier_guidance import ClassifierGuidance
from scumble.core.conditioning import Conditioning
from scumble.core.solver import Evaluation
from scumble.core.solvers import Ddpm
from scumble.editing.editor import Editor
from scumble.energies.picture import Background
from scumble.energies.protocol import WeightedEnergy
from scumble.errors import CheckpointError, MethodError
from scumble.methods.batch import EditBatch
from scumble.methods.clip_scorer import clip_key
from scumble.methods.inpainting.blended_diffusion import BlendedDiffusion
from scumble.methods.inpainting.local_clip_guided_diffusion import LocalClipGuidedDiffusion
from scumble.methods.inpainting.ranking import official_distances
from scumble.methods.registry import method_class
from scumble.models.base import Model
from tests.support.blended import box, pixel_job, random_clip, recorded_clip, tiny_ddpm, watched

CASES = ["blended_ddpm", "blended_ddim", "blended_empty_prompt", "blended_local_clip"]


class Draws:
    """The recorded draws of a case, by stream and step."""

    def __init__(self, case: Any, first: int) -> None:
        self.case, self.first = case, first

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        names = {"start": "draw_start", "step": "draw_step", "source": "draw_background"}
        draw = self.case[names[stream]]
        draw = draw if stream == "start" else draw[step - self.first]
        assert tuple(draw.shape) == tuple(shape)
        return draw

    def select(self, start: int, stop: int) -> Draws:
        return self


def official_job(case: Any) -> tuple[BlendedDiffusion | LocalClipGuidedDiffusion, EditBatch]:
    given = case.settings
    steps, skipped = int(given["timestep_respacing"]), given["skip_timesteps"]
    common: dict[str, Any] = {
        "prompt": "" if given["prompt"].startswith("empty") else "x",
        "num_inference_steps": steps,
        "skip": skipped / steps,
        "augmentations": 1,
        "clip_weight": given["clip_guidance_lambda"],
        "range_weight": given["range_lambda"],
        "solver": given["sampler"].split()[0],
        "outside": "grey",
        "compat": "official",
    }
    if given["local_clip_guided_diffusion"]:
        weight = given["background_preservation"]["l2_sim_lambda"]
        method: Any = LocalClipGuidedDiffusion(squares_weight=weight, perceptual_weight=0, **common)
    else:
        method = BlendedDiffusion(**common)
    image = case["image"].float()[None] / 127.5 - 1
    batch = EditBatch(tiny_ddpm(), Draws(case, skipped), given["batch"], (32, 32), image=image, change=case["mask"])
    batch.cache.put(clip_key("clip"), recorded_clip(case))
    return method, batch


@pytest.mark.parametrize("name", CASES)
def test_official_preset_reproduces_the_published_code(name: str, reference: Any, monkeypatch: Any) -> None:
    case = reference(name)
    method, batch = official_job(case)
    asked = watched(batch.model, monkeypatch)
    result = method.run(batch)
    assert result is not None
    for key in (key for key in case.tensors if key.startswith("x_")):
        assert float((asked[int(key[2:])] - case[key]).abs().max()) < 1e-4
    shown = ((result + 1) / 2).clamp(0, 1) * case["mask"]
    assert float((shown - case["result_masked"]).abs().max()) < 1e-4
    clip = batch.cache.get_or_make(clip_key("clip"), random_clip)
    ranked = official_distances(result.clamp(-1, 1), case["mask"] > 0, clip.text_features(["x"]), clip)
    torch.testing.assert_close(ranked, case["rank_distance"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["blended_ddpm", "blended_ddim", "blended_local_clip"])
def test_single_steps_agree_with_the_published_code(name: str, reference: Any) -> None:
    case = reference(name)
    method, batch = official_job(case)
    levels = batch.levels(method.num_inference_steps, method.solver)
    first = method.first(batch)
    mask = method.mask(batch)
    for key in (key for key in case.tensors if key.startswith("grad_")):
        k = int(key[5:])
        ctx = batch.context(levels, method.make_solver(batch))
        ctx.i = first + k
        x = case[f"x_{k}"].requires_grad_(True)
        found = batch.model.predict(x, ctx.level, Conditioning())
        own = method.text_energies(batch, mask)
        if isinstance(method, LocalClipGuidedDiffusion):
            own.append(Background(batch.x0, mask, method.squares_weight, 0.0, over_batch=True))
        ctx.leaf = x
        guidance = ClassifierGuidance([WeightedEnergy(energy) for energy in own], Conditioning())
        slope = guidance.through_network(ctx, found, found)["eps"]
        assert float((-slope - case[key]).abs().max()) < 1e-3 * float(case[key].abs().max())
        if method.solver == "ddpm" and ctx.next_level.s > 0:
            visit = Evaluation(ctx.i, ctx.level, x.detach(), found.detach())
            mean, std = ctx.solver.step([visit], ctx.next_level)
            torch.testing.assert_close(mean, case[f"mu_{k}"], atol=1e-4, rtol=0)
            torch.testing.assert_close(std**2, case[f"Sigma_{k}"], atol=1e-4, rtol=0)  # type: ignore[arg-type]


def test_the_published_background_is_one_level_too_noisy_and_ours_is_not(monkeypatch: Any) -> None:
    for compat, off in ((None, 0), ("official", 1)):
        batch = pixel_job(tiny_ddpm(), mask=box())
        with monkeypatch.context() as patch:
            asked = watched(batch.model, patch)
            BlendedDiffusion(num_inference_steps=10, skip=0.5, compat=compat).run(batch)
        levels = batch.levels(10, "ddpm")
        outside = (box() == 0).expand(1, 3, 32, 32)
        for k in range(1, 5):
            at = 5 + k - off
            eps = batch.noise.normal(batch.shape, "source", at)
            source = levels[at].a * batch.x0 + levels[at].s * eps
            torch.testing.assert_close(asked[k][outside], source[outside], atol=1e-6, rtol=0)


def test_the_published_background_noise_is_shared_by_the_batch_and_ours_is_not() -> None:
    for compat, same in ((None, True), ("official", False)):
        method = BlendedDiffusion(num_inference_steps=6, skip=0.5, compat=compat)
        both = method.run(pixel_job(tiny_ddpm(), (3, 4), box()))
        alone = method.run(pixel_job(tiny_ddpm(), (4,), box()))
        assert both is not None and alone is not None
        assert torch.allclose(both[1:], alone, atol=1e-4) is same


@pytest.mark.parametrize("kind", [BlendedDiffusion, LocalClipGuidedDiffusion])
@pytest.mark.parametrize("solver", ["ddpm", "ddim"])
def test_a_batch_equals_single_runs(kind: Any, solver: str) -> None:
    method = kind(
        prompt="x", num_inference_steps=6, skip=0.5, augmentations=3, clip_batch=4, clip_weight=60, solver=solver,
        **({"squares_weight": 50, "perceptual_weight": 5} if kind is LocalClipGuidedDiffusion else {}),
    )  # fmt: skip
    together = method.run(pixel_job(tiny_ddpm(), (3, 4, 5), box()))
    for k in range(3):
        alone = method.run(pixel_job(tiny_ddpm(), (3 + k,), box()))
        torch.testing.assert_close(together[k : k + 1], alone, atol=2e-4, rtol=0)


def test_without_words_or_weights_it_is_plain_blending() -> None:
    common: dict[str, Any] = {"num_inference_steps": 6, "skip": 0.5}
    jobs = [pixel_job(tiny_ddpm(), mask=box()) for _ in range(3)]
    empty = BlendedDiffusion(begin="picture", **common).run(jobs[0])
    weightless = BlendedDiffusion(prompt="x", clip_weight=0, range_weight=0, **common).run(jobs[1])
    guided = BlendedDiffusion(prompt="x", clip_weight=60, **common).run(jobs[2])
    assert empty is not None and weightless is not None and guided is not None
    assert torch.equal(empty, weightless)
    assert not torch.equal(empty, guided)
    assert [batch.cost.backward_rows for batch in jobs] == [0, 0, 2]
    assert [batch.cost.forward_rows for batch in jobs] == [3, 3, 3]


def test_a_full_mask_is_sampling_from_the_noised_picture() -> None:
    batch, plain = pixel_job(tiny_ddpm()), pixel_job(tiny_ddpm())
    result = BlendedDiffusion(num_inference_steps=6, skip=0.5).run(batch)
    levels = plain.levels(6, "ddpm")
    eps = plain.noise.normal(plain.shape, "source", 3)
    x = levels[3].a * plain.x0 + levels[3].s * eps
    ctx = plain.context(levels, Ddpm("learned_range"))
    with torch.no_grad():
        for i in range(3, 6):
            found = plain.model.predict(x, levels[i], Conditioning())
            mean, std = ctx.solver.step([Evaluation(i, levels[i], x, found)], levels[i + 1])
            x = mean + std * plain.noise.normal(plain.shape, "step", i)
    assert result is not None
    torch.testing.assert_close(result, x, atol=1e-5, rtol=0)


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize("solver", ["ddpm", "ddim"])
@pytest.mark.parametrize("invert", [False, True])
def test_outside_the_mask_bytes_are_identical_after_saving(
    solver: Any, invert: bool, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("scumble.models.clip.ClipScorer.load", lambda *a: random_clip())
    method = BlendedDiffusion(
        prompt="x", change_map=box()[0, 0].numpy(), num_inference_steps=4, skip=0.5, augmentations=2, clip_weight=60,
        solver=solver, invert_mask=invert,
    )  # fmt: skip
    Editor(tiny_ddpm()).edit(picture(), method, seed=1).save(tmp_path / "out.png")
    after, before = np.asarray(Image.open(tmp_path / "out.png")), np.asarray(picture())
    inside = (box()[0, 0].numpy() > 0) ^ invert
    assert (after[~inside] == before[~inside]).all()
    assert (after[inside] != before[inside]).any()


def test_an_empty_mask_returns_the_input_without_a_call() -> None:
    method = BlendedDiffusion(change_map=np.full((32, 32), 0.4, np.float32))
    result = Editor(tiny_ddpm()).edit(picture(), method, seed=1)
    assert result.cost.network_calls == 0
    assert result.image.tobytes() == picture().tobytes()
    assert any("returned as it is" in notice for notice in result.notices)


def test_soft_masks_are_thresholded_and_a_clipped_model_is_not_clipped_by_the_preset() -> None:
    soft = torch.where(box() > 0, 0.5, 0.49)
    assert torch.equal(BlendedDiffusion().prepare_map(soft), box())
    model = tiny_ddpm(clip_sample=True)
    results = [
        BlendedDiffusion(num_inference_steps=4, skip=0.5, compat=compat).run(pixel_job(model, mask=box()))
        for compat in (None, "official")
    ]
    ours, theirs = results
    assert ours is not None and theirs is not None
    assert float(ours.abs().max()) <= 1 < float(theirs.abs().max())
    assert model.clip_sample == 1.0


def test_clear_refusals(tiny_sd: Model, tmp_path: Any) -> None:
    editor = Editor(tiny_ddpm())
    with pytest.raises(MethodError, match="blended-latent-diffusion"):
        Editor(tiny_sd).edit(picture(), BlendedDiffusion(prompt="x"), seed=1)
    with pytest.raises(CheckpointError, match="no CLIP"):
        editor.edit(picture(), BlendedDiffusion(prompt="x", clip=str(tmp_path / "none")), seed=1)
    with pytest.raises(MethodError, match="ddim"):
        editor.edit(picture(), BlendedDiffusion(eta=0.5), seed=1)
    with pytest.raises(MethodError, match="ddim"):
        broken = Editor(tiny_ddpm(variance_type="learned"))
        broken.edit(picture(), BlendedDiffusion(num_inference_steps=2), seed=1)


def test_fixed_variance_models_work_too() -> None:
    results = [
        BlendedDiffusion(prompt="x", clip_weight=60, num_inference_steps=4, skip=0.5).run(
            pixel_job(tiny_ddpm(variance_type=kind), mask=box())
        )
        for kind in ("fixed_small", "fixed_large", "learned_range")
    ]
    assert all(result is not None and bool(result.isfinite().all()) for result in results)
    assert not torch.equal(results[0], results[1])  # type: ignore[arg-type]


def test_names() -> None:
    assert method_class("blended-diffusion") is BlendedDiffusion
    assert method_class("local_clip_guided_diffusion") is LocalClipGuidedDiffusion
