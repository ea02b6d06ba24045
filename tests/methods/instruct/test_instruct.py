"""Instruct follows diffusers' pipeline, holds what the map keeps, and is refused where it has no meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import scumble
from scumble.core.conditioning import Conditioning
from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise
from scumble.core.prediction import Prediction
from scumble.errors import MethodError
from scumble.methods.batch import EditBatch
from scumble.methods.instruct.guidance import InstructionGuidance
from scumble.models.loading import from_pipe, load
from tests.support.tiny import make_text_encoder, make_tokenizer, make_unet, make_vae

SIDE = 16
INSTRUCTION = "a red cube"


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny pipeline of random weights."""
    from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline

    tokenizer = make_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = StableDiffusionInstructPix2PixPipeline(
            vae=make_vae(),
            text_encoder=make_text_encoder(tokenizer, 16),
            tokenizer=tokenizer,
            unet=make_unet(in_channels=8),
            scheduler=DDIMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, clip_sample=False
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def picture() -> Any:
    return np.random.default_rng(4).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def batch_of(model: Any, picture: Any, change: torch.Tensor | None = None, count: int = 1) -> EditBatch:
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float().div(127.5).sub(1)
    noise = CounterNoise([7 + k for k in range(count)])
    return EditBatch(model, noise, count, (SIDE, SIDE), image=image, change=change, cost=Cost())


@pytest.mark.parametrize(("words", "image"), [(7.5, 1.5), (4.0, 1.0), (3.0, 2.25)])
def test_the_latent_is_that_of_the_published_pipeline(pipe: Any, picture: Any, words: float, image: float) -> None:
    batch = batch_of(from_pipe(pipe), picture)
    method = scumble.Instruct(
        prompt=INSTRUCTION, guidance_scale=words, image_guidance_scale=image, num_inference_steps=6
    )
    expected = pipe(
        INSTRUCTION,
        image=batch.picture,
        num_inference_steps=6,
        guidance_scale=words,
        image_guidance_scale=image,
        latents=batch.noise.normal(batch.shape, "start", 0),
        output_type="latent",
    ).images
    assert (method.run(batch) - expected).abs().max() < 1e-5 * expected.abs().max()  # random networks: x grows to 12


def test_a_saved_folder_is_an_instruction_model(pipe: Any, picture: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "tiny-instruct")
    model = load(tmp_path / "tiny-instruct", device="cpu")
    assert (model.channels, model.picture_channels) == (4, 4)
    method = scumble.Instruct(prompt=INSTRUCTION, num_inference_steps=3)
    ours, wrapped = (method.run(batch_of(m, picture)) for m in (model, from_pipe(pipe)))
    assert torch.allclose(ours, wrapped, atol=1e-5)


def test_pixels_of_value_0_are_the_input_and_a_white_map_is_no_map(pipe: Any, picture: Any) -> None:
    editor = scumble.Editor.from_pipe(pipe)
    half = np.zeros((SIDE, SIDE), np.float32)
    half[:, SIDE // 2 :] = 1
    method = scumble.Instruct(prompt=INSTRUCTION, num_inference_steps=4)
    kept = np.asarray(editor.edit(picture, method.model_copy(update={"change_map": half}), seed=1).image)
    assert np.array_equal(kept[:, : SIDE // 2], picture[:, : SIDE // 2])
    assert not np.array_equal(kept[:, SIDE // 2 :], picture[:, SIDE // 2 :])
    free, white = (
        editor.edit(picture, method.model_copy(update={"change_map": change}), seed=1).image for change in (None, 1.0)
    )
    assert np.array_equal(np.asarray(free), np.asarray(white))


@pytest.mark.parametrize(
    ("words", "image", "rows"), [(7.5, 1.5, 3), (7.5, 1.0, 2), (1.5, 1.5, 2), (1.0, 1.0, 1), (0.0, 1.0, 1)]
)
def test_branches_of_weight_0_are_not_evaluated(pipe: Any, picture: Any, words: float, image: float, rows: int) -> None:
    batch = batch_of(from_pipe(pipe), picture)
    scumble.Instruct(prompt=INSTRUCTION, guidance_scale=words, image_guidance_scale=image, num_inference_steps=2).run(
        batch
    )
    assert batch.cost.forward_rows == 2 * rows


def test_both_scales_are_those_of_equation_3() -> None:
    draw = torch.Generator().manual_seed(0)
    parts = {
        name: Prediction(torch.randn(2, 4, 3, 3, generator=draw), torch.randn(2, 4, 3, 3, generator=draw))
        for name in ("cond", "image", "uncond")
    }
    told = [Conditioning(torch.full((1, 2, 2), float(k))) for k in range(2)]
    guidance = InstructionGuidance(*told, 7.5, picture=torch.ones(1, 4, 3, 3), image_scale=1.5)
    both, image, neither = (parts[name].eps for name in ("cond", "image", "uncond"))
    expected = neither + 1.5 * (image - neither) + 7.5 * (both - image)
    assert torch.allclose(guidance.combine(parts).eps, expected, atol=1e-5)
    assert [branch.cond.picture.abs().sum() > 0 for branch in guidance.planned] == [True, True, False]  # type: ignore[union-attr]
    same = replace(guidance, cond=told[1])
    assert torch.equal(same.combine({k: parts[k] for k in same.names}).eps, same.combine(parts).eps)


def test_a_row_is_the_same_alone_and_in_a_batch(pipe: Any, picture: Any) -> None:
    method = scumble.Instruct(prompt=INSTRUCTION, num_inference_steps=3)
    model = from_pipe(pipe)
    one, three = (method.run(batch_of(model, picture, count=count)) for count in (1, 3))
    assert torch.allclose(one[0], three[0], atol=1e-4)  # type: ignore[index]


def test_methods_and_models_that_do_not_fit_are_refused(pipe: Any, sd_editor: scumble.Editor, picture: Any) -> None:
    instructed = scumble.Editor.from_pipe(pipe)
    with pytest.raises(MethodError, match="edits by instruction and sdedit does not"):
        instructed.edit(picture, scumble.SDEdit(prompt=INSTRUCTION), seed=1)
    with pytest.raises(MethodError, match="still-life-instruct"):
        sd_editor.edit(picture, scumble.Instruct(prompt=INSTRUCTION), seed=1)


@pytest.fixture
def sd_editor(tmp_path: Path) -> scumble.Editor:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    return scumble.Editor.from_pipe(
        StableDiffusionPipeline(
            vae=make_vae(),
            text_encoder=make_text_encoder(tokenizer, 16),
            tokenizer=tokenizer,
            unet=make_unet(),
            scheduler=DDIMScheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )
