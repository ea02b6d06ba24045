"""LEDITS++: parity with diffusers' pipeline over whole edits, and what holds of our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    LEditsPPPipelineStableDiffusion,
    StableDiffusionPipeline,
)
from diffusers.models.attention_processor import AttnProcessor2_0
from PIL import Image
from torch import Tensor

from scumble.core.noise import GeneratorNoise
from scumble.editing.editor import Editor
from scumble.errors import InputError, MethodError
from scumble.images import to_tensor
from scumble.methods.batch import EditBatch
from scumble.methods.inversion_based.ledits import LEdits
from scumble.methods.words import Words
from scumble.models.base import Model
from scumble.models.loading import from_pipe
from tests.support.inverting import SOURCE, job_of, result
from tests.support.parity import close
from tests.support.tiny import make_text_encoder, make_tokenizer, make_unet, make_vae

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SIDE = 64


class WholeTimes(DDIMScheduler):
    """The pipeline asks for noise at times in floating point, by which DDIM's scheduler cannot index its table."""

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        return super().add_noise(original_samples, noise, timesteps.long())


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny network with cross-attention at a quarter of the latent's size, which is where the pipeline looks."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        tokenizer = make_tokenizer(Path(tmp_path_factory.mktemp("ledits")))
        unet = make_unet(
            sample_size=32,
            block_out_channels=(8, 16, 16),
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        )
        return {
            "vae": make_vae(),
            "text_encoder": make_text_encoder(tokenizer, 16),
            "tokenizer": tokenizer,
            "unet": unet,
        }


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.effect_noise((SIDE, SIDE), 60).convert("RGB").rotate(20)


def theirs(
    parts: dict[str, Any], solver: str, image: Image.Image, invert: dict[str, Any], edit: dict[str, Any]
) -> Tensor:
    if solver == "ddim":
        scheduler: Any = WholeTimes(**SCHEDULE, clip_sample=False, set_alpha_to_one=False)
    else:
        scheduler = DPMSolverMultistepScheduler(**SCHEDULE, algorithm_type="sde-dpmsolver++", solver_order=2)
    pipe = LEditsPPPipelineStableDiffusion(
        **parts, scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.invert(image, generator=torch.Generator().manual_seed(5), num_inversion_steps=6, skip=0.35, **invert)
    latents: Tensor = pipe(output_type="latent", **edit).images
    parts["unet"].set_attn_processor(AttnProcessor2_0())
    return latents


def ours(
    parts: dict[str, Any], solver: str, image: Image.Image, placed: Sequence[tuple[Words, Tensor]] = (), **fields: Any
) -> Tensor:
    scheduler: Any = DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False)
    if solver != "ddim":
        scheduler = DPMSolverMultistepScheduler(**SCHEDULE, algorithm_type="sde-dpmsolver++", solver_order=2)
    pipe = StableDiffusionPipeline(
        **parts, scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    model = from_pipe(pipe)
    batch = EditBatch(
        model,
        GeneratorNoise(torch.Generator().manual_seed(5)),
        1,
        (SIDE, SIDE),
        image=to_tensor(image),
        placed=placed,
    )
    method = LEdits(compat="official", solver=solver, num_inference_steps=6, skip=0.35, **fields)
    return result(method, batch)


ONE: dict[str, Any] = {"editing_prompt": ["a red cube"], "edit_guidance_scale": [7.0], "edit_threshold": [0.8]}
OURS_ONE: dict[str, Any] = {"prompt": "a red cube", "guidance_scale": 7.0, "edit_threshold": 0.8}


@pytest.mark.parametrize("solver", ["ddim", "dpmpp_2m_sde"])
@pytest.mark.parametrize(
    ("edit", "fields"),
    [
        (ONE, OURS_ONE),
        ({**ONE, "use_intersect_mask": False, "use_cross_attn_mask": True}, {**OURS_ONE, "masks": "attention"}),
        ({**ONE, "use_intersect_mask": False}, {**OURS_ONE, "masks": "difference"}),
    ],
    ids=["both masks", "attention only", "difference only"],
)
def test_an_edit_is_that_of_diffusers(
    parts: dict[str, Any], image: Image.Image, solver: str, edit: dict[str, Any], fields: dict[str, Any]
) -> None:
    expected = theirs(parts, solver, image, {"source_prompt": "a cat", "source_guidance_scale": 3.0}, edit)
    edited = ours(parts, solver, image, **fields, source_prompt="a cat", source_guidance_scale=3.0)
    assert close(edited, expected, 2e-5)


@pytest.mark.parametrize("solver", ["ddim", "dpmpp_2m_sde"])
def test_two_prompts_one_of_them_reversed_late_and_in_a_map_are_those_of_diffusers(
    parts: dict[str, Any], image: Image.Image, solver: str
) -> None:
    place = torch.zeros(1, 1, SIDE // 2, SIDE // 2)
    place[..., 4:20] = 1
    edit = {
        "editing_prompt": ["a red cube", "sand"],
        "edit_guidance_scale": [7.0, 4.0],
        "edit_threshold": [0.7, 0.7],
        "reverse_editing_direction": [False, True],
        "edit_warmup_steps": [0, 2],
        "edit_cooldown_steps": [6, 4],
        "user_mask": place,
        "negative_prompt": "a big cat",
    }
    words = [
        Words("a red cube", weight=7.0, mode="add"),
        Words("sand", weight=-4.0, mode="add", begin=4 / 8, end=6 / 8),
    ]
    where = torch.zeros(1, 1, SIDE, SIDE)
    where[..., 8:40] = 1
    expected = theirs(parts, solver, image, {"source_prompt": ""}, edit)
    placed = [(one, where) for one in words]
    edited = ours(parts, solver, image, placed, negative_prompt="a big cat", edit_threshold=0.7)
    assert close(edited, expected, 2e-5)


def test_without_words_the_image_comes_back_bit_for_bit(tiny_sd: Model) -> None:
    batch = job_of(tiny_sd)
    assert torch.equal(result(LEdits(**SOURCE, chunk=1), batch), batch.x0)
    zero = result(LEdits(**SOURCE, chunk=1, prompt="a castle", guidance_scale=0), job_of(tiny_sd))
    assert torch.equal(zero, batch.x0)


@pytest.mark.parametrize("masks", ["both", "attention", "difference", "none"])
def test_every_kind_of_mask_edits_and_costs_a_row_for_each_prompt(tiny_sd: Model, masks: str) -> None:
    words = (Words("sand", weight=-3.0, mode="add"), None), (Words("a castle"), torch.ones(1, 1, 128, 128))
    batch = job_of(tiny_sd, placed=words)
    edited = result(LEdits(prompt="a red cube", masks=masks, **SOURCE), batch)
    steps = 5  # of 6, by the skip of small models
    assert batch.cost.forward_rows == steps + steps * 4
    assert float((edited - batch.x0).abs().max()) > 0.01


def test_words_with_a_map_leave_the_rest_of_the_latent_alone(tiny_sd: Model) -> None:
    left = torch.zeros(1, 1, 128, 128)
    left[..., :64] = 1
    batch = job_of(tiny_sd, change=left)
    edited = result(LEdits(prompt="a red cube", masks="none", **SOURCE), batch)
    outside = batch.latent_change().expand_as(edited) == 0
    assert torch.equal(edited[outside], batch.x0[outside]) and not torch.equal(edited, batch.x0)


def test_two_orders_of_rows_and_one_prompt_twice_are_counted_as_told(tiny_sd: Model) -> None:
    twice = (Words("a castle", weight=2.0, mode="add"), None), (Words("a castle", weight=1.0, mode="add"), None)
    batch = job_of(tiny_sd, placed=twice)
    together = result(LEdits(masks="none", **SOURCE), batch)
    assert batch.cost.forward_rows == 5 + 5 * 2
    once = result(LEdits(prompt="a castle", guidance_scale=3.0, masks="none", **SOURCE), job_of(tiny_sd))
    torch.testing.assert_close(together, once, atol=1e-4, rtol=0)


def test_the_plan_is_what_is_counted(tiny_editor: Editor, picture: Image.Image) -> None:
    method = LEdits(prompt="a red cube", **SOURCE, placed_words=(Words("sand", weight=-2.0, mode="add"),))
    planned = tiny_editor.plan(picture, method)
    done = tiny_editor.edit(picture, method, seed=1)
    assert planned.most.forward_rows == done.cost.forward_rows
    assert done.recipe.parameters["placed_words"][0]["weight"] == -2.0


def test_what_it_cannot_do_is_refused_in_one_line(tiny_editor: Editor, picture: Image.Image) -> None:
    with pytest.raises(InputError, match="takes one prompt"):
        LEdits(prompt=("a dog", "a cat"))  # type: ignore[arg-type]
    inversion = tiny_editor.invert(picture, num_inference_steps=3, seed=1)
    with pytest.raises(MethodError, match="leave the inversion out"):
        tiny_editor.edit(picture, LEdits(prompt="a dog", compat="official"), inversion=inversion)
