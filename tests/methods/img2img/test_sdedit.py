"""SDEdit: parity with diffusers' img2img and inpainting, and exact rules of its strength."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from scumble.controls.change_map import start_index
from scumble.core.noise import CounterNoise, GeneratorNoise
from scumble.methods.batch import X0, EditBatch
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.models.base import Model


def options(case: Any, **more: Any) -> dict[str, Any]:
    names = ("prompt", "negative_prompt", "guidance_scale", "num_inference_steps", "strength", "eta")
    return {**{k: case.settings[k] for k in names if k in case.settings}, **more}


@pytest.mark.parametrize("name", ["diffusers_img2img", "diffusers_img2img_eta"])
def test_compat_preset_reproduces_img2img(name: str, tiny_sd: Model, reference: Any) -> None:
    case = reference(name)
    noise = GeneratorNoise(torch.Generator().manual_seed(case.info["seed"]))
    image = case["image"].float()[None] / 127.5 - 1 if "image" in case.tensors else torch.zeros(1, 3, 128, 128)
    batch = EditBatch(tiny_sd, noise, 1, (128, 128), image=image)
    if "image" not in case.tensors:
        batch.posterior_draw = _draws(noise, case)  # type: ignore[method-assign]
    result = SDEdit(**options(case), compat="diffusers").run(batch)
    torch.testing.assert_close(result, case["final"], atol=1e-4, rtol=0)


def _draws(noise: GeneratorNoise, case: Any) -> Any:
    def draw() -> Any:
        assert torch.equal(noise.normal(case["draw_vae"].shape, "vae"), case["draw_vae"])
        return case["z0"]

    return draw


def test_a_two_valued_map_reproduces_diffusers_inpainting(tiny_sd: Model, reference: Any) -> None:
    case = reference("diffusers_inpaint")
    noise = GeneratorNoise(torch.Generator().manual_seed(case.info["seed"]))
    change = torch.zeros(1, 1, 128, 128)
    change[..., 32:96, 24:88] = 1.0
    batch = EditBatch(tiny_sd, noise, 1, (128, 128), image=case["image"].float()[None] / 127.5 - 1, change=change)
    result = SDEdit(**options(case), compat="diffusers").run(batch)
    torch.testing.assert_close(result, case["final"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "solver"), [("diffusers_txt2img_ddim", "ddim"), ("diffusers_txt2img_dpmpp", "dpmpp_2m")]
)
def test_text_to_image_reproduces_diffusers(
    name: str, solver: Any, tiny_sd: Model, reference: Any, recorded: Any
) -> None:
    case = reference(name)
    batch = EditBatch(tiny_sd, recorded({"start": case["latents_in"]}), 1, (128, 128))
    method = TextToImage(**{k: v for k, v in options(case).items() if k != "strength"}, solver=solver)
    levels = batch.levels(method.num_inference_steps, solver)
    assert [lv.t for lv in levels[:-1]] == [float(t) for t in case["timesteps"]]
    # float64 is 1e-4 away from what was recorded, float32 on this or that processor as far again.
    torch.testing.assert_close(method.run(batch), case["final"], atol=2e-4, rtol=0)


def test_default_counts_steps_right_where_diffusers_truncates() -> None:
    assert 100 - start_index(0.29, 100) == 29
    assert int(100 * 0.29) == 28


def test_strength_one_is_the_full_run_and_strength_zero_takes_none(tiny_sd: Model) -> None:
    image = torch.zeros(1, 3, 64, 64)
    batch = EditBatch(tiny_sd, CounterNoise([1]), 1, (64, 64), image=image)
    assert SDEdit(strength=1.0, num_inference_steps=3).run(batch) is not None
    assert batch.cost.network_calls == 3
    batch = EditBatch(tiny_sd, CounterNoise([1]), 1, (64, 64), image=image)
    assert SDEdit(strength=0.0, num_inference_steps=3).run(batch) is None
    assert batch.cost.network_calls == 0


def test_repeats_equal_two_calls_chained_by_hand(tiny_sd: Model) -> None:
    def batch() -> EditBatch:
        return EditBatch(tiny_sd, CounterNoise([1]), 1, (64, 64), image=torch.zeros(1, 3, 64, 64))

    once = SDEdit(prompt="a house", strength=0.5, num_inference_steps=4).run(batch())
    twice = SDEdit(prompt="a house", strength=0.5, num_inference_steps=4, repeats=2).run(batch())
    assert once is not None and twice is not None
    second = batch()
    second.cache.put(X0, once)
    levels = second.levels(4)
    method = SDEdit(strength=0.5, num_inference_steps=4)
    keep_outside_map, guidance = second.keep_outside_map(4, 2), second.guidance("a house", "", 5.0)
    chained = second.denoise(levels, method.make_solver(second, 4), [keep_outside_map, guidance], tag="repeat1/")
    assert torch.equal(chained, twice)


def test_guidance_one_evaluates_one_row(tiny_sd: Model) -> None:
    batch = EditBatch(tiny_sd, CounterNoise([1]), 1, (64, 64), image=torch.zeros(1, 3, 64, 64))
    SDEdit(prompt="a house", guidance_scale=1.0, num_inference_steps=4, strength=1.0).run(batch)
    assert (batch.cost.network_calls, batch.cost.forward_rows) == (4, 4)
    batch = EditBatch(tiny_sd, CounterNoise([1]), 1, (64, 64), image=torch.zeros(1, 3, 64, 64))
    SDEdit(prompt="a house", guidance_scale=2.0, num_inference_steps=4, strength=1.0).run(batch)
    assert (batch.cost.network_calls, batch.cost.forward_rows) == (4, 8)


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_inpainting_begins_where_diffusers_begins(tiny_sd: Model, strength: float) -> None:
    """At strength 1 from the draw alone, also where the picture is kept."""
    from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline

    model: Any = tiny_sd
    text = model.text.encoders[0]
    scheduler = DDIMScheduler(**{**model.schedule.config, "clip_sample": False})
    pipe = StableDiffusionInpaintPipeline(
        vae=model.vae, text_encoder=text.network, tokenizer=text.tokenizer, unet=model.denoiser, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    change = torch.zeros(1, 1, 64, 64)
    change[..., 16:48, 24:56] = 1.0
    words: dict[str, Any] = {"prompt": "a house", "guidance_scale": 3.0, "num_inference_steps": 4, "strength": strength}
    noise = GeneratorNoise(torch.Generator().manual_seed(7))
    ours = SDEdit(**words, compat="diffusers").run(EditBatch(model, noise, 1, (64, 64), image=image, change=change))
    theirs = pipe(**words, image=image, mask_image=change, height=64, width=64, output_type="latent",
                  generator=torch.Generator().manual_seed(7)).images  # fmt: skip
    assert ours is not None
    torch.testing.assert_close(ours, theirs, atol=1e-4 * float(theirs.abs().max()), rtol=0)
