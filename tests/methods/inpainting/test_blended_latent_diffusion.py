"""Blended Latent Diffusion: parity with the published script, and what must hold on any weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.editing.editor import Editor
from scumble.errors import CheckpointError, MethodError
from scumble.methods.batch import X0, EditBatch
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.methods.inpainting.decoder_tuning import DecoderTuning, decode_tuned, decoder_loss
from scumble.models.base import Model
from tests.support.blended import box, tiny_ddpm, watched


class Draws:
    """The recorded draws of a case, by stream and step."""

    def __init__(self, case: Any, first: int, row: slice) -> None:
        self.case, self.first, self.row = case, first, row

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        draw = self.case["draw_start"] if stream == "start" else self.case["draw_background"][step - self.first]
        draw = draw[self.row]
        assert tuple(draw.shape) == tuple(shape) and stream in ("start", "source")
        return draw

    def select(self, start: int, stop: int) -> Draws:
        return self


def make_job(model: Model, seeds: tuple[int, ...] = (3,), mask: Tensor | None = None, size: int = 64) -> EditBatch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, size, size, generator=generator) * 2 - 1
    return EditBatch(model, CounterNoise(seeds), len(seeds), (size, size), image=image, change=mask)


def inside(size: int = 64) -> Tensor:
    return box(size, 16, 48, 8, 40)


@pytest.mark.parametrize("name", ["bld_sd2", "bld_sd2_full"])
def test_official_preset_reproduces_the_published_script(
    name: str, tiny_sd: Model, reference: Any, monkeypatch: Any
) -> None:
    case = reference(name)
    given = case.settings
    steps, share = given["num_inference_steps"], given["blending_percentage"]
    first = int(steps * share)
    mask = torch.nn.functional.interpolate(case["mask_latent"], scale_factor=8)
    for k, prompt in enumerate(given["prompts"]):
        method = BlendedLatentDiffusion(
            prompt=prompt, num_inference_steps=steps, skip=share, guidance_scale=given["guidance_scale"],
            compat="official",
        )  # fmt: skip
        batch = EditBatch(
            tiny_sd, Draws(case, first, slice(k, k + 1)), 1, (128, 128), torch.zeros(1, 3, 128, 128), mask
        )
        batch.cache.put(X0, case["z_src"])
        with monkeypatch.context() as patch:
            asked = watched(tiny_sd, patch)
            result = method.run(batch)
        assert result is not None
        for key in (key for key in case.tensors if key.startswith("unet_in_")):
            mine = asked[int(key.rsplit("_", 1)[1])][:1]
            assert float((mine - case[key][k : k + 1]).abs().max()) < 2e-3
        assert float((result - case["final"][k : k + 1]).abs().max()) < 2e-3
        if "images" in case.tensors:
            picture = ((tiny_sd.decode(result).clamp(-1, 1) + 1) * 127.5).round()
            assert float((picture - case["images"][k : k + 1].permute(0, 3, 1, 2).float()).abs().max()) <= 1


def test_the_published_background_keeps_noise_and_ours_is_the_source(tiny_sd: Model) -> None:
    mask = inside()
    outside = ~BlendedLatentDiffusion().mask(make_job(tiny_sd, mask=mask)).expand(1, 4, 8, 8)
    kept = {}
    for compat in (None, "official"):
        method = BlendedLatentDiffusion(prompt="a house", num_inference_steps=4, compat=compat)
        batch = make_job(tiny_sd, mask=mask)
        result = method.run(batch)
        assert result is not None
        kept[compat] = (result - batch.x0)[outside]
    assert float(kept[None].abs().max()) == 0
    assert 0.01 < float(kept["official"].std()) < 0.1


@pytest.mark.parametrize("compat", [None, "official"])
def test_outside_the_mask_the_latents_depend_on_nothing_but_the_picture(tiny_sd: Model, compat: Any) -> None:
    outside = ~BlendedLatentDiffusion().mask(make_job(tiny_sd, mask=inside())).expand(1, 4, 8, 8)
    found = []
    for prompt, scale in (("a house", 5.0), ("a red ball", 1.0)):
        method = BlendedLatentDiffusion(prompt=prompt, guidance_scale=scale, num_inference_steps=4, compat=compat)
        result = method.run(make_job(tiny_sd, mask=inside()))
        assert result is not None
        found.append(result)
    assert torch.equal(found[0][outside], found[1][outside])
    assert not torch.equal(found[0], found[1])


def test_every_call_sees_the_background_at_its_own_level(tiny_sd: Model, monkeypatch: Any) -> None:
    batch = make_job(tiny_sd, (3, 4), inside())
    asked = watched(tiny_sd, monkeypatch)
    BlendedLatentDiffusion(prompt="a house", num_inference_steps=6, skip=0.34, guidance_scale=1).run(batch)
    levels, eps = batch.levels(6), batch.noise.normal(batch.shape, "start")
    outside = ~BlendedLatentDiffusion().mask(batch).expand(batch.shape)
    assert len(asked) == 4
    for k, x in enumerate(asked):
        source = levels[2 + k].a * batch.x0 + levels[2 + k].s * eps
        assert torch.equal(x[outside], source[outside])


@pytest.mark.parametrize("solver", ["ddim", "dpmpp_2m"])
def test_from_the_noised_picture_it_is_a_change_map_of_zeros_and_ones(tiny_sd: Model, solver: Any) -> None:
    common: dict[str, Any] = {"prompt": "a house", "num_inference_steps": 6, "solver": solver}
    mask = torch.nn.functional.interpolate(inside(8), scale_factor=8)
    ours = BlendedLatentDiffusion(skip=0.5, shrink=0, **common).run(make_job(tiny_sd, mask=mask))
    other = DifferentialDiffusion(strength=0.5, **common).run(make_job(tiny_sd, mask=mask))
    assert ours is not None and other is not None
    torch.testing.assert_close(ours, other, atol=1e-5, rtol=0)


def test_a_full_mask_is_text_to_image(tiny_sd: Model) -> None:
    ours = BlendedLatentDiffusion(prompt="a house", num_inference_steps=4).run(make_job(tiny_sd))
    plain = TextToImage(prompt="a house", num_inference_steps=4).run(make_job(tiny_sd))
    assert ours is not None and torch.equal(ours, plain)


def test_a_batch_equals_single_runs(tiny_sd: Model) -> None:
    method = BlendedLatentDiffusion(prompt="a house", num_inference_steps=5, skip=0.2, shrink=2, eta=1.0)
    masks = torch.cat([inside(), box(64, 0, 64, 32, 48)])
    both = method.run(make_job(tiny_sd, (3, 4), masks))
    assert both is not None
    for k in range(2):
        alone = method.run(make_job(tiny_sd, (3 + k,), masks[k : k + 1]))
        torch.testing.assert_close(both[k : k + 1], alone, atol=1e-4, rtol=0)


def test_no_dilation_is_no_shrinking_and_a_thin_mask_shrinks_by_itself(tiny_sd: Model) -> None:
    thin = box(64, 24, 32, 8, 56)
    results = {}
    for shrink in (None, 0, 3):
        method = BlendedLatentDiffusion(prompt="a house", num_inference_steps=5, shrink=shrink)
        results[shrink] = [method.run(make_job(tiny_sd, mask=mask)) for mask in (inside(), thin)]
    assert torch.equal(results[None][0], results[0][0])
    assert torch.equal(results[None][1], results[3][1])
    assert not torch.equal(results[None][1], results[0][1])


def test_a_mask_smaller_than_a_cell_is_not_lost(tiny_sd: Model) -> None:
    dot = box(64, 20, 22, 20, 22)
    assert int(BlendedLatentDiffusion().mask(make_job(tiny_sd, mask=dot)).sum()) == 1


def test_one_prompt_for_both_rows_costs_one_row(tiny_sd: Model) -> None:
    for prompt, rows in (("", 4), ("a house", 8)):
        batch = make_job(tiny_sd, mask=inside())
        BlendedLatentDiffusion(prompt=prompt, num_inference_steps=4, begin="picture").run(batch)
        assert (batch.cost.network_calls, batch.cost.forward_rows) == (4, rows)


@pytest.mark.parametrize("background", ["paste", "decoder"])
def test_outside_the_mask_bytes_are_identical_after_saving(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Any, background: Any
) -> None:
    method = BlendedLatentDiffusion(
        prompt="a house", change_map=inside()[0, 0].numpy(), num_inference_steps=3, background=background,
        decoder_steps=2,
    )  # fmt: skip
    result = tiny_editor.edit(picture, method, seed=1)
    result.save(tmp_path / "out.png")
    after, before = np.asarray(Image.open(tmp_path / "out.png")), np.asarray(picture)
    kept = inside()[0, 0].numpy() == 0
    assert (after[kept] == before[kept]).all()
    assert (after[~kept] != before[~kept]).any()
    assert ("decoder_loss" in result.reports[0]) is (background == "decoder")


def test_without_enforced_background_the_autoencoders_loss_shows(tiny_editor: Editor, picture: Image.Image) -> None:
    method = BlendedLatentDiffusion(change_map=inside()[0, 0].numpy(), num_inference_steps=3, enforce_background=False)
    result = tiny_editor.edit(picture, method, seed=1)
    kept = inside()[0, 0].numpy() == 0
    assert (np.asarray(result.image)[kept] != np.asarray(picture)[kept]).any()


def test_tuning_the_decoder_brings_the_background_back_and_leaves_the_model_alone(tiny_sd: Any) -> None:
    batch = make_job(tiny_sd, mask=inside())
    before = {name: value.clone() for name, value in tiny_sd.vae.state_dict().items()}
    z, mask, source = batch.x0, inside() > 0, batch.picture
    plain = tiny_sd.decode(z)
    tuned, first, last = decode_tuned(tiny_sd, z, source, mask, DecoderTuning(steps=12, rate=1e-3))
    assert first == pytest.approx(float(decoder_loss(plain, plain, source, mask, 100.0)), rel=1e-4)
    outside = (~mask).expand_as(plain)
    assert float((tuned - source)[outside].square().mean()) < float((plain - source)[outside].square().mean())
    assert last < first
    assert all(torch.equal(value, before[name]) for name, value in tiny_sd.vae.state_dict().items())
    assert not any(p.requires_grad for p in tiny_sd.vae.parameters())


def test_decoder_loss_does_not_depend_on_the_size_of_the_mask() -> None:
    source = torch.zeros(1, 3, 8, 8)
    for mask in (box(8, 0, 8, 0, 2) > 0, box(8, 0, 8, 0, 7) > 0):
        assert float(decoder_loss(source + 0.5, source, source, mask, 3.0)) == pytest.approx(0.25 + 3 * 0.25)


def test_clear_refusals(picture: Image.Image, tiny_editor: Editor, tmp_path: Any) -> None:
    with pytest.raises(MethodError, match="use blended-diffusion"):
        Editor(tiny_ddpm()).edit(picture, BlendedLatentDiffusion(prompt="a house"), seed=1)
    method = BlendedLatentDiffusion(prompt="a house", keep=1, clip=str(tmp_path / "none"))
    with pytest.raises(CheckpointError, match="no CLIP"):
        tiny_editor.edit(picture, method, seed=1, count=2)
