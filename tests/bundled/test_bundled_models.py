"""The bundled weights do what their cards say; thresholds lie well below the measured figures."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMPipeline, StableDiffusionPipeline
from transformers import AutoTokenizer, CLIPModel

import scumble
from scumble_lab.bench.attributes import targets
from scumble_lab.bench.classifier import load_classifier
from scumble_lab.training.classifier import accuracy
from scumble_lab.training.clip import retrieval
from scumble_lab.training.figures import confirmed
from scumble_lab.training.tokenizer import token_ids
from scumble_lab.training.vae import mean_psnr as psnr
from scumble_lab.world import Scene, caption, render, sample_scene

BUNDLED = Path(scumble.__file__).parent / "bundled"

COLORS = ["red", "green", "blue", "yellow"]


def unseen(count: int, objects: int | None = None) -> list[Scene]:
    return [sample_scene(random.Random(f"tested/{i}"), objects=objects) for i in range(count)]


def as_input(scenes: list[Scene]) -> torch.Tensor:
    return render(scenes, 64).float().div(127.5).sub(1)


@pytest.fixture(scope="module")
def pipe() -> Any:
    """Plain diffusers, no class of ours."""
    loaded = StableDiffusionPipeline.from_pretrained(BUNDLED / "still-life", safety_checker=None)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@torch.no_grad()
def test_the_autoencoder_keeps_pictures(pipe: Any) -> None:
    true = as_input(unseen(16))
    latents = pipe.vae.encode(true).latent_dist.mean
    assert psnr(pipe.vae.decode(latents).sample, true) > 28
    scaled = latents * pipe.vae.config.scaling_factor
    assert 0.8 < scaled.std().item() < 1.2 and scaled.mean((0, 2, 3)).abs().max() < 0.3


def test_a_plain_pipeline_paints_the_colour_that_was_asked_for(pipe: Any) -> None:
    prompts = [f"a large {color} sphere on a plain floor by day" for color in COLORS]
    made = pipe(
        prompts,
        num_inference_steps=16,
        guidance_scale=5.0,
        output_type="pt",
        generator=torch.Generator().manual_seed(1),
    ).images
    red, green, blue = made[:, :, 28:48, 16:48].mean((2, 3)).unbind(1)
    assert red[0] - (green[0] + blue[0]) / 2 > 0.05
    assert green[1] - (red[1] + blue[1]) / 2 > 0.0
    assert blue[2] - (red[2] + green[2]) / 2 > 0.05
    assert (red[3] + green[3]) / 2 - blue[3] > 0.05


def test_floor_and_sky_are_what_the_sentence_says(pipe: Any) -> None:
    scenes = unseen(8, objects=1)
    made = pipe(
        [caption(scene) for scene in scenes],
        num_inference_steps=16,
        guidance_scale=5.0,
        output_type="pt",
        generator=torch.Generator().manual_seed(2),
    ).images
    shares = confirmed(scenes, load_classifier()(made * 2 - 1))
    assert shares["floor"] >= 0.6 and shares["sky"] >= 0.75


def test_the_classifier_reads_renders() -> None:
    scenes = unseen(64)
    shares = accuracy(load_classifier().logits(render(scenes, 64)), targets(scenes))
    assert min(shares.values()) > 0.9


def test_the_pixel_model_is_a_plain_ddpm_pipeline() -> None:
    loaded = DDPMPipeline.from_pretrained(BUNDLED / "still-life-pixel")
    loaded.set_progress_bar_config(disable=True)
    x0 = as_input(unseen(8))
    t = torch.full((8,), 200)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        said = loaded.unet(loaded.scheduler.add_noise(x0, noise, t), t).sample
    assert loaded.scheduler.config.prediction_type == "v_prediction"
    assert (said - loaded.scheduler.get_velocity(x0, noise, t)).square().mean() < 0.05


@pytest.mark.parametrize("name", ["clip", "clip-judge"])
def test_clip_finds_the_picture_of_a_sentence(name: str) -> None:
    clip, tokenizer = (
        CLIPModel.from_pretrained(BUNDLED / name).eval(),
        AutoTokenizer.from_pretrained(BUNDLED / name),
    )
    scenes = unseen(64)
    by_text, by_picture = retrieval(clip, token_ids(tokenizer, [caption(s) for s in scenes]), as_input(scenes))
    assert by_text > 0.7 and by_picture > 0.7


def test_all_weights_together_are_small() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file()) < 72e6


@pytest.mark.parametrize(
    "folder",
    ["still-life", "still-life-fast", "still-life-instruct", "still-life-pixel", "clip", "clip-judge", "classifier"],
)
def test_every_model_has_its_card(folder: str) -> None:
    card = (BUNDLED / folder / "README.md").read_text()
    for part in ("seed", "samples seen", "scumble train", "measured"):
        assert part in card


def test_a_dragged_picture_of_the_world_is_not_taken_for_a_photograph() -> None:
    scene = render([sample_scene(28)], 64)[0].permute(1, 2, 0).numpy()
    method = scumble.WarpDrag(points=((46, 43, 30, 43),), num_inference_steps=2)
    made = scumble.Editor.from_pretrained().edit(scene, method, seed=1)
    assert not [notice for notice in made.notices if "photograph" in notice]
