"""Checkpoints that would load without a word and compute something else are refused in one line, or said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import scumble
from scumble.errors import CheckpointError, MethodError
from scumble.models.loading import from_pipe, load
from tests.support.tiny import make_pixel_unet, make_unet, make_vae, pipe_with


def refusal(call: Any) -> str:
    with pytest.raises(CheckpointError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"class_embed_type": "timestep"}, "class"),
        ({"num_class_embeds": 3}, "class"),
        ({"encoder_hid_dim": 16, "encoder_hid_dim_type": "text_proj"}, "IP-Adapter"),
        ({"addition_embed_type": "text"}, "wants text besides words"),
    ],
)
def test_a_unet_that_is_told_more_than_words_is_refused(sd_pipe: Any, settings: dict[str, Any], word: str) -> None:
    unet = make_unet(**settings)
    assert word in refusal(lambda: from_pipe(pipe_with(sd_pipe, unet=unet)))


def test_a_class_conditional_pixel_network_is_refused(ddpm_pipe: Any) -> None:
    pipe = pipe_with(ddpm_pipe, unet=make_pixel_unet(num_class_embeds=4))
    assert "class" in refusal(lambda: from_pipe(pipe))


@pytest.mark.parametrize("part", ["controlnet", "adapter", "motion_adapter", "vqvae", "depth_estimator"])
def test_a_pipeline_with_a_part_that_would_be_ignored_is_refused(sd_pipe: Any, part: str) -> None:
    assert "base model" in refusal(lambda: from_pipe(pipe_with(sd_pipe, **{part: object()})))


def test_the_refiner_is_refused(sdxl_pipe: Any) -> None:
    alone = pipe_with(sdxl_pipe, text_encoder=None, tokenizer=None)
    assert "refiner" in refusal(lambda: from_pipe(alone))


def test_a_refiner_folder_is_refused(sdxl_pipe: Any, tmp_path: Path) -> None:
    sdxl_pipe.save_pretrained(tmp_path / "xl")
    index = json.loads((tmp_path / "xl" / "model_index.json").read_text())
    (tmp_path / "xl" / "model_index.json").write_text(json.dumps({**index, "requires_aesthetics_score": True}))
    assert "refiner" in refusal(lambda: load(tmp_path / "xl", device="cpu"))


def test_a_tokenizer_without_vocabulary_is_refused(folder: Path) -> None:
    for file in ("vocab.json", "merges.txt", "tokenizer.json"):
        (folder / "tokenizer" / file).unlink(missing_ok=True)
    assert "token" in refusal(lambda: load(folder, device="cpu"))


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("change", ["missing", "foreign"])
def test_weights_with_missing_or_foreign_keys_are_refused(folder: Path, part: str, change: str) -> None:
    file = next((folder / part).glob("*.safetensors"))
    state = load_file(file)
    if change == "missing":
        del state[sorted(key for key in state if key.endswith("weight"))[0]]
    else:
        state["an.unknown.layer.weight"] = torch.zeros(3)
    save_file(state, file, {"format": "pt"})
    assert f"tiny-sd/{part} cannot be loaded" in refusal(lambda: load(folder, device="cpu"))


def test_latents_mean_and_std_are_those_of_diffusers(sdxl_pipe: Any) -> None:
    mean, std = [0.1, -0.2, 0.3, 0.0], [1.5, 2.0, 0.7, 1.1]
    vae = make_vae(scaling_factor=0.5, latents_mean=mean, latents_std=std)
    model: Any = from_pipe(pipe_with(sdxl_pipe, vae=vae))
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    shape = (1, 4, 1, 1)
    with torch.no_grad():
        raw = vae.encode(image).latent_dist.mean
        expected = (raw - torch.tensor(mean).view(shape)) * 0.5 / torch.tensor(std).view(shape)
        latent = model.encode(image)
        assert torch.allclose(latent, expected, atol=1e-5)
        # diffusers, pipeline_stable_diffusion_xl: latents * latents_std / scaling_factor + latents_mean
        decoded = vae.decode(latent * torch.tensor(std).view(shape) / 0.5 + torch.tensor(mean).view(shape)).sample
        assert torch.allclose(model.decode(latent), decoded, atol=1e-4)
        assert torch.allclose(model.read_picture(image), raw, atol=1e-5)


@pytest.mark.parametrize(
    ("scheduler", "options", "word"),
    [
        ("UniPCMultistepScheduler", {}, "that is --solver unipc"),
        ("UniPCMultistepScheduler", {"solver_order": 3}, "order 3"),
        ("HeunDiscreteScheduler", {}, "rule that is not here"),
        ("DEISMultistepScheduler", {}, "rule that is not here"),
        ("EulerAncestralDiscreteScheduler", {}, "--solver euler-a"),
        ("DPMSolverMultistepScheduler", {"solver_order": 3}, "order 3"),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "--solver dpmpp_2m_sde"),
        ("LCMScheduler", {}, "4 steps by lcm"),
        ("TCDScheduler", {}, "4 steps by tcd"),
    ],
)
def test_a_scheduler_whose_rule_is_not_the_default_is_said_with_each_result(
    sd_pipe: Any, scheduler: str, options: dict[str, Any], word: str
) -> None:
    import diffusers

    pipe = pipe_with(sd_pipe, scheduler=getattr(diffusers, scheduler).from_config(sd_pipe.scheduler.config, **options))
    editor = scumble.Editor.from_pipe(pipe)
    result = editor.generate(scumble.TextToImage(prompt="a cube", num_inference_steps=3, width=16, height=16), seed=1)
    assert len([notice for notice in result.notices if word in notice]) == 1


def test_a_plain_checkpoint_says_nothing(sd_pipe: Any) -> None:
    assert from_pipe(sd_pipe).remarks == ()


def test_a_few_step_checkpoint_runs_by_its_own_rule(sd_pipe: Any) -> None:
    from diffusers import LCMScheduler

    pipe = pipe_with(sd_pipe, scheduler=LCMScheduler.from_config(sd_pipe.scheduler.config))
    editor = scumble.Editor.from_pipe(pipe)
    result = editor.generate(scumble.TextToImage(prompt="a cube", width=16, height=16), seed=1)
    wanted = {"solver": "lcm", "num_inference_steps": 4, "guidance_scale": 1.0}
    assert {name: result.recipe.parameters[name] for name in wanted} == wanted
    assert result.cost.forward_rows == 4


def test_guidance_0_with_a_prompt_is_read_as_none_and_said(sd_pipe: Any) -> None:
    editor = scumble.Editor.from_pipe(sd_pipe)
    options: dict[str, Any] = {"prompt": "a cube", "num_inference_steps": 2, "width": 16, "height": 16}
    zero = editor.generate(scumble.TextToImage(**options, guidance_scale=0), seed=1)
    one = editor.generate(scumble.TextToImage(**options, guidance_scale=1), seed=1)
    assert zero.image.tobytes() == one.image.tobytes()
    assert zero.recipe.parameters["guidance_scale"] == 1
    assert [notice for notice in zero.notices if "guidance 0" in notice]
    assert not [notice for notice in one.notices if "guidance 0" in notice]


def test_the_hash_of_a_pipe_knows_that_its_weights_changed(sd_pipe: Any) -> None:
    unet = make_unet()
    model = from_pipe(pipe_with(sd_pipe, unet=unet))
    before = model.weights_hash
    assert model.weights_hash == before
    with torch.no_grad():
        next(unet.parameters()).add_(1)
    assert model.weights_hash != before


def test_a_wrapped_compiled_network_is_used_as_it_is_inside(sd_pipe: Any) -> None:
    wrapped = torch.compile(sd_pipe.unet, backend="eager")
    assert from_pipe(pipe_with(sd_pipe, unet=wrapped)).denoiser is sd_pipe.unet


def test_an_offloaded_network_has_the_hash_of_its_weights(sd_pipe: Any) -> None:
    from accelerate import cpu_offload

    unet, twin = make_unet(), make_unet()
    twin.load_state_dict(unet.state_dict())
    cpu_offload(unet, torch.device("cpu"))
    assert next(unet.parameters()).is_meta
    model = from_pipe(pipe_with(sd_pipe, unet=unet))
    assert len(model.weights_hash) == 64


def test_a_folder_of_an_inpainting_pipeline_with_controls_is_refused(folder: Path, tmp_path: Path) -> None:
    for kind in ("StableDiffusionControlNetPipeline", "StableDiffusionXLControlNetPipeline"):
        other = Path(shutil.copytree(folder, tmp_path / kind))
        index = json.loads((other / "model_index.json").read_text())
        (other / "model_index.json").write_text(json.dumps({**index, "_class_name": kind}))
        assert kind in refusal(lambda other=other: load(other, device="cpu"))


@pytest.mark.parametrize("skip", [None, 0.0], ids=["default", "none"])
def test_diffuseit_that_would_begin_in_pure_noise_is_refused_in_one_line(sd_pipe: Any, skip: float | None) -> None:
    from diffusers import DDIMScheduler

    told = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    pipe = pipe_with(sd_pipe, scheduler=DDIMScheduler.from_config(sd_pipe.scheduler.config, **told))
    method = scumble.DiffuseIT(prompt="a cube", source_prompt="a cat", num_inference_steps=2, skip=skip)
    with pytest.raises(MethodError, match="raise --skip or --num-inference-steps") as error:
        scumble.Editor.from_pipe(pipe).edit(Image.new("RGB", (16, 16)), method, seed=1)
    assert "\n" not in str(error.value)
