"""PLMS below strength 1: the preset is diffusers' pipeline, call by call; our own run makes no call too many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.editing.editor import Editor
from scumble.methods.batch import EditBatch
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.models.base import Model

STEPS = 10


def pipeline(model: Any) -> Any:
    """diffusers' image-to-image pipeline around the same networks."""
    from diffusers import PNDMScheduler, StableDiffusionImg2ImgPipeline

    known = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "steps_offset", "set_alpha_to_one")
    config = {name: model.schedule.config[name] for name in known if name in model.schedule.config}
    (encoder,) = model.text.encoders
    pipe = StableDiffusionImg2ImgPipeline(
        vae=model.vae,
        text_encoder=encoder.network,
        tokenizer=encoder.tokenizer,
        unet=model.denoiser,
        scheduler=PNDMScheduler(skip_prk_steps=True, **config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("strength", [1.0, 0.9, 0.75, 0.5, 0.2])
@pytest.mark.parametrize("kind", ["sdedit", "differential-diffusion"])
def test_the_presets_run_plms_as_diffusers_does(
    kind: str, strength: float, tiny_sd: Model, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x0 = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = pipeline(tiny_sd)(
        "a cat",
        image=x0,
        strength=strength,
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(1),
        output_type="latent",
    ).images
    monkeypatch.setattr(EditBatch, "posterior_draw", lambda self: x0)
    side = 8 * tiny_sd.factor
    image = torch.zeros(1, 3, side, side)
    change = None if kind == "sdedit" else torch.ones(1, 1, side, side)
    batch = EditBatch(tiny_sd, recorded({"start": noise}), 1, (side, side), image=image, change=change)
    method: Any = SDEdit if kind == "sdedit" else DifferentialDiffusion
    preset = {"sdedit": "diffusers", "differential-diffusion": "official"}[kind]
    options: dict[str, Any] = {"prompt": "a cat", "strength": strength, "guidance_scale": 3.0, "compat": preset}
    made: Tensor | None = method(num_inference_steps=STEPS, solver="plms", **options).run(batch)
    assert made is not None
    assert batch.cost.network_calls == (STEPS + 1 if strength == 1.0 else int(STEPS * strength) + 1)
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)


def test_our_own_run_below_strength_1_makes_as_many_calls_as_steps(tiny_editor: Editor, picture: Image.Image) -> None:
    method = SDEdit(prompt="a cat", strength=0.5, num_inference_steps=STEPS, solver="plms", guidance_scale=1.0)
    assert tiny_editor.edit(picture, method, seed=1).cost.network_calls in (STEPS // 2, STEPS // 2 + 1)


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_the_diffusers_preset_keeps_what_a_map_keeps(
    strength: float, tiny_editor: Editor, picture: Image.Image
) -> None:
    white = np.ones((64, 64), np.float32)
    half = white.copy()
    half[:, :32] = 0
    options: dict[str, Any] = {"prompt": "a cat", "strength": strength, "num_inference_steps": 4, "compat": "diffusers"}
    plain, everywhere, right = (
        np.asarray(tiny_editor.edit(picture, SDEdit(**options, change_map=one), seed=1).image, int)
        for one in (None, white, half)
    )
    assert np.array_equal(plain, everywhere) is (strength < 1), "with a map it is the inpainting pipeline"
    assert np.array_equal(right[:, :32], np.asarray(picture.convert("RGB"), int)[:, :32])
    assert np.abs(right[:, 40:] - np.asarray(picture.convert("RGB"), int)[:, 40:]).max() > 0
