"""Full LCM checkpoints, whose U-Net reads the guidance weight, compute what diffusers' LCM pipelines do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import scumble
from scumble.errors import MethodError
from scumble.models.loading import load
from tests.support.parity import by_us, close, start_noise
from tests.support.tiny import make_controlnet, make_unet

PHOTO = Image.fromarray(np.random.default_rng(4).integers(0, 255, (16, 16, 3), dtype=np.uint8))
SHAPE = (1, 4, 8, 8)


def lcm(base: Any) -> Any:
    """The parts of a pipeline, with a U-Net that reads its guidance and LCM's scheduler."""
    from diffusers import LatentConsistencyModelImg2ImgPipeline, LCMScheduler

    return LatentConsistencyModelImg2ImgPipeline(
        vae=base.vae, text_encoder=base.text_encoder, tokenizer=base.tokenizer,
        unet=make_unet(time_cond_proj_dim=8), scheduler=LCMScheduler.from_config(base.scheduler.config),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


@pytest.fixture
def pipe(sd_pipe: Any) -> Any:
    torch.manual_seed(8)
    return lcm(sd_pipe)


@pytest.fixture
def noises(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give diffusers our noise: of each step, and whatever was drawn before it."""

    def replace(*drawn: torch.Tensor) -> None:
        import diffusers.pipelines.latent_consistency_models.pipeline_latent_consistency_img2img as img2img
        import diffusers.schedulers.scheduling_lcm as scheduling

        left = [*drawn]
        for module in (img2img, scheduling):
            monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: left.pop(0))

    return replace


def ours_at(seed: int, stream: str, step: int) -> torch.Tensor:
    from scumble.core.noise import CounterNoise

    return CounterNoise([seed]).normal(SHAPE, stream, step)


def their_latents(pipe: Any, **options: Any) -> torch.Tensor:
    last: list[torch.Tensor] = []

    def note(_: Any, step: int, t: Any, told: dict[str, Any]) -> dict[str, Any]:
        last.append(told["denoised"])
        return told

    with torch.no_grad():
        pipe(**options, output_type="latent", callback_on_step_end=note,
             callback_on_step_end_tensor_inputs=["latents", "denoised"])  # fmt: skip
    return last[-1]


@pytest.mark.parametrize("strength", [0.8, 0.4, 1.0])
@pytest.mark.parametrize("guidance", [8.5, 1.0])
def test_an_edit_is_that_of_the_lcm_pipeline(pipe: Any, noises: Any, strength: float, guidance: float) -> None:
    method = scumble.SDEdit(prompt="a red cube", strength=strength, guidance_scale=guidance, compat="diffusers")
    ours, result = by_us(scumble.Editor.from_pipe(pipe), method, image=PHOTO)
    noises(start_noise(SHAPE, 1), *(ours_at(1, "step", k) for k in range(3)))
    seed = ours_at(1, "vae", 0)
    draw = type(pipe.vae.encode(torch.zeros(1, 3, 16, 16)).latent_dist)
    plain = draw.sample
    draw.sample = lambda self, generator=None: self.mean + self.std * seed
    try:
        theirs = their_latents(pipe, prompt="a red cube", image=PHOTO, num_inference_steps=4, strength=strength,
                               guidance_scale=guidance)  # fmt: skip
    finally:
        draw.sample = plain
    assert close(ours, theirs)
    assert result.cost.forward_rows == 4


def test_a_picture_from_words_is_that_of_the_lcm_pipeline(pipe: Any, noises: Any) -> None:
    from diffusers import LatentConsistencyModelPipeline

    theirs_pipe = LatentConsistencyModelPipeline(**pipe.components, requires_safety_checker=False)
    ours, result = by_us(
        scumble.Editor.from_pipe(theirs_pipe), scumble.TextToImage(prompt="a cat", width=16, height=16)
    )
    noises(*(ours_at(1, "step", k) for k in range(3)))
    theirs = their_latents(theirs_pipe, prompt="a cat", latents=start_noise(SHAPE, 1), num_inference_steps=4)
    assert close(ours, theirs)
    wanted = {"solver": "lcm", "num_inference_steps": 4, "guidance_scale": 8.5}
    assert {name: result.recipe.parameters[name] for name in wanted} == wanted
    assert [notice for notice in result.notices if "guidance 8.5 told to the network" in notice]


def test_the_folder_of_the_lcm_pipeline_loads_and_its_pictures_are_made_again(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "lcm")
    index = json.loads((tmp_path / "lcm" / "model_index.json").read_text())
    assert index["_class_name"] == "LatentConsistencyModelImg2ImgPipeline"
    editor = scumble.Editor.from_pretrained(tmp_path / "lcm", device="cpu")
    made = editor.edit(PHOTO, scumble.SDEdit(prompt="a cube", strength=0.5), seed=1)
    assert made.image.tobytes() == scumble.Editor.from_pipe(pipe).edit(
        PHOTO, scumble.SDEdit(prompt="a cube", strength=0.5), seed=1
    ).image.tobytes()  # fmt: skip
    PHOTO.save(tmp_path / "photo.png")
    made = editor.edit(tmp_path / "photo.png", scumble.SDEdit(prompt="a cube", strength=0.5), seed=1)
    made.save(tmp_path / "made.png")
    assert scumble.redo(tmp_path / "made.png", editor=editor).largest == 0
    assert editor.plan(PHOTO, scumble.SDEdit(prompt="a cube", strength=0.5)).most.forward_rows == 4


def test_guidance_reaches_every_row_and_costs_none(pipe: Any) -> None:
    editor = scumble.Editor.from_pipe(pipe)
    words = [scumble.Words(text="a cat", map=0.5)]
    options: dict[str, Any] = {"num_inference_steps": 2, "strength": 1.0, "placed_words": words, "places": "latent"}
    weak, strong = (
        editor.edit(PHOTO, scumble.SDEdit(prompt="a cube", guidance_scale=g, **options), seed=1) for g in (1.0, 9.0)
    )
    assert weak.image.tobytes() != strong.image.tobytes()
    assert weak.cost.forward_rows == strong.cost.forward_rows == 4


def test_what_has_no_meaning_for_such_a_network_is_said_or_refused(pipe: Any) -> None:
    editor = scumble.Editor.from_pipe(pipe)
    plain = editor.edit(PHOTO, scumble.SDEdit(prompt="a cube"), seed=1)
    negative = editor.edit(PHOTO, scumble.SDEdit(prompt="a cube", negative_prompt="sand"), seed=1)
    assert negative.image.tobytes() == plain.image.tobytes()
    assert [one for one in negative.notices if "without negative prompts" in one]
    assert not [one for one in plain.notices if "negative" in one]
    with pytest.raises(MethodError, match="use cfg, pag, seg or auto"):
        editor.edit(PHOTO, scumble.SDEdit(prompt="a cube", guider="apg"), seed=1)


def test_methods_that_look_inside_and_a_controlnet_work_beside_it(pipe: Any, tmp_path: Path) -> None:
    editor = scumble.Editor.from_pipe(pipe)
    known: dict[str, Any] = {"prompt": "a red cube", "source_prompt": "a big cube", "num_inference_steps": 2}
    for method in (scumble.PromptToPrompt(**known), scumble.DDPMInversion(**known),
                   scumble.DragNoise(points=((4, 4, 9, 4),), iterations=1, num_inference_steps=2)):  # fmt: skip
        editor.edit(PHOTO, method, seed=1)
    pipe.save_pretrained(tmp_path / "lcm")
    make_controlnet(pipe.unet).save_pretrained(tmp_path / "control")
    told = scumble.Editor.from_pretrained(
        tmp_path / "lcm", device="cpu", control=tmp_path / "control", control_image=PHOTO
    )
    told.edit(PHOTO, scumble.SDEdit(prompt="a cube"), seed=1)


def test_a_map_has_all_steps_below_its_strongest_place(pipe: Any) -> None:
    editor = scumble.Editor.from_pipe(pipe)
    whole = scumble.SDEdit(prompt="a cube", strength=0.4)
    place = scumble.DifferentialDiffusion(prompt="a cube", change_map=0.4)
    half = scumble.SDEdit(prompt="a cube", strength=0.8, change_map=0.5)
    one, *others = (by_us(editor, method, image=PHOTO) for method in (whole, place, half))
    for latent, result in others:
        assert torch.equal(latent, one[0])
        assert result.cost.forward_rows == one[1].cost.forward_rows == 4


def test_few_steps_lcm_on_such_a_network_keeps_its_guidance(pipe: Any, tmp_path: Path) -> None:
    from scumble.models.add_ons import AddOns

    plain = copy.copy(pipe)
    plain.save_pretrained(tmp_path / "lcm")
    assert load(tmp_path / "lcm", "cpu", add_ons=AddOns.read(few_steps="lcm")).defaults["guidance_scale"] == 8.5
