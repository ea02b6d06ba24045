"""A ControlNet is one more conditioning of every row: maps, inversion and drags work with it, and diffusers agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import scumble
from scumble.core.noise import GeneratorNoise
from scumble.errors import ScumbleError
from scumble.methods.batch import EditBatch
from scumble.models.add_ons import AddOns
from scumble.models.loading import from_pipe, load
from scumble.models.loading.control import _loaded as loaded_control
from scumble.models.unet_halves import decode_half, encode_half
from tests.support.original_layout import original_control_state
from tests.support.parity import close
from tests.support.tiny import make_controlnet, make_unet

CONTROL = Image.fromarray(np.random.default_rng(3).integers(0, 255, (16, 16, 3), dtype=np.uint8))
PHOTO = Image.fromarray(np.random.default_rng(4).integers(0, 255, (16, 16, 3), dtype=np.uint8))
WORDS: dict[str, Any] = {"prompt": "a red cube", "negative_prompt": "fog", "guidance_scale": 4.0}


@pytest.fixture(scope="module")
def network(sd_pipe: Any) -> Any:
    return make_controlnet(sd_pipe.unet)


def controlled_pipe(kind: str, sd_pipe: Any, network: Any) -> Any:
    import diffusers

    parts = {name: part for name, part in sd_pipe.components.items() if name != "image_encoder"}
    scheduler = diffusers.DDIMScheduler.from_config(sd_pipe.scheduler.config, clip_sample=False)
    pipe = getattr(diffusers, kind)(**{**parts, "scheduler": scheduler}, controlnet=network,
                                    requires_safety_checker=False)  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


def batch_of(pipe: Any, scale: float, **more: Any) -> EditBatch:
    model = from_pipe(pipe, AddOns.read(control_image=CONTROL, control_scale=scale))
    noise = GeneratorNoise(torch.Generator().manual_seed(5))
    image = torch.from_numpy(np.array(PHOTO)).permute(2, 0, 1).float()[None] / 127.5 - 1
    return EditBatch(model, noise, 1, (16, 16), image=image, **more)


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_sdedit_is_diffusers_img2img_with_the_same_controlnet(sd_pipe: Any, network: Any, scale: float) -> None:
    pipe = controlled_pipe("StableDiffusionControlNetImg2ImgPipeline", sd_pipe, network)
    method = scumble.SDEdit(**WORDS, strength=0.7, num_inference_steps=5, compat="diffusers")
    ours = method.run(batch_of(pipe, scale))
    theirs = pipe(**WORDS, image=PHOTO, control_image=CONTROL, strength=0.7, num_inference_steps=5, height=16, width=16,
                  controlnet_conditioning_scale=scale, generator=torch.Generator().manual_seed(5),
                  output_type="latent").images  # fmt: skip
    assert close(ours, theirs)
    assert not close(ours, method.run(batch_of(pipe, 0.0)))


def test_sdedit_with_a_map_is_diffusers_inpainting_with_the_same_controlnet(sd_pipe: Any, network: Any) -> None:
    pipe = controlled_pipe("StableDiffusionControlNetInpaintPipeline", sd_pipe, network)
    change = torch.zeros(1, 1, 16, 16)
    change[..., 4:12, 6:14] = 1
    mask = Image.fromarray((change[0, 0].numpy() * 255).astype(np.uint8))
    method = scumble.SDEdit(**WORDS, strength=0.7, num_inference_steps=5, compat="diffusers")
    ours = method.run(batch_of(pipe, 1.0, change=change))
    theirs = pipe(**WORDS, image=PHOTO, mask_image=mask, control_image=CONTROL, strength=0.7, num_inference_steps=5,
                  controlnet_conditioning_scale=1.0, height=16, width=16,
                  generator=torch.Generator().manual_seed(5), output_type="latent").images  # fmt: skip
    assert close(ours, theirs)


def test_sdxl_is_told_what_its_controlnet_is_told(sdxl_pipe: Any) -> None:
    network = make_controlnet(sdxl_pipe.unet)
    parts = {**sdxl_pipe.components, "controlnet": network}
    import diffusers

    scheduler = diffusers.DDIMScheduler.from_config(sdxl_pipe.scheduler.config, clip_sample=False)
    pipe = diffusers.StableDiffusionXLControlNetPipeline(
        **{**parts, "scheduler": scheduler}, force_zeros_for_empty_prompt=True
    )
    pipe.set_progress_bar_config(disable=True)
    from tests.support.parity import by_us, editor_of, start_noise

    method = scumble.TextToImage(prompt="a cube", num_inference_steps=3, width=16, height=16)
    ours, _ = by_us(editor_of(pipe, control_image=CONTROL), method)
    theirs = pipe(prompt="a cube", image=CONTROL, num_inference_steps=3, height=16, width=16, guidance_scale=5.0,
                  latents=start_noise((1, 4, 8, 8), 1), output_type="latent").images  # fmt: skip
    assert close(ours, theirs)


@pytest.fixture(scope="module")
def editor(sd_pipe: Any, network: Any) -> scumble.Editor:
    pipe = controlled_pipe("StableDiffusionControlNetPipeline", sd_pipe, network)
    return scumble.Editor.from_pipe(pipe, control_image=CONTROL)


def test_edit_friendly_inversion_is_exact_with_a_controlnet(editor: scumble.Editor) -> None:
    inversion = editor.invert(PHOTO, prompt="a cat", num_inference_steps=4, seed=1)
    assert inversion.error["latent_max"] < 1e-4
    assert inversion.error["pixel_max"] == 0
    plain = scumble.Editor.from_pipe(sd_of(editor))
    with pytest.raises(ScumbleError, match="model"):
        plain.edit(PHOTO, scumble.DDPMInversion(prompt="a cube"), inversion=inversion, seed=1)


def sd_of(editor: scumble.Editor) -> Any:
    """A plain pipeline of the same networks."""
    from scumble.models.loading.lora import pipe_of

    return pipe_of(editor.model)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [
    scumble.DifferentialDiffusion(prompt="a cube", change_map=0.6, num_inference_steps=3),
    scumble.PromptToPrompt(prompt="a red cube", source_prompt="a big cube", num_inference_steps=3),
    scumble.DragNoise(prompt="a cube", points=((4, 4, 9, 4),), num_inference_steps=3, iterations=2),
    scumble.DragDiffusion(prompt="a cube", points=((4, 4, 9, 4),), num_inference_steps=3, iterations=2),
    scumble.Pix2PixZero(prompt="a red cube", source_prompt="a big cube", num_inference_steps=3, rounds=1),
], ids=lambda one: one.method_name())  # fmt: skip
def test_methods_work_with_it_and_it_acts(editor: scumble.Editor, method: Any) -> None:
    ours = editor.edit(PHOTO, method, seed=1)
    plain = scumble.Editor.from_pipe(sd_of(editor)).edit(PHOTO, method, seed=1)
    assert ours.image.tobytes() != plain.image.tobytes()


def test_the_two_halves_of_a_unet_agree_with_the_whole(editor: scumble.Editor) -> None:
    model: Any = editor.model
    batch = EditBatch(model, GeneratorNoise(torch.Generator().manual_seed(1)), 1, (16, 16))
    x, cond = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2)), batch.embed("a cube")
    half = encode_half(model.denoiser, x, torch.tensor(300), cond)
    with torch.no_grad():
        output, _ = decode_half(model.denoiser, half, half.h)
        assert torch.equal(output, model.predict(x, model.schedule.at(300), cond).eps)  # type: ignore[arg-type]


def test_tiles_see_their_part_of_the_control_picture(editor: scumble.Editor) -> None:
    wide = PHOTO.resize((40, 16))
    method = scumble.SDEdit(prompt="a cube", strength=0.5, num_inference_steps=2)
    result = editor.edit(wide, method, seed=1, tiles=True)
    assert result.image.size == (40, 16)


@pytest.mark.parametrize("form", ["folder", "file"])
def test_a_picture_made_with_a_controlnet_is_made_again(sd_pipe: Any, network: Any, tmp_path: Path, form: str) -> None:
    sd_pipe.save_pretrained(tmp_path / "tiny-sd")
    network.save_pretrained(tmp_path / "canny")
    CONTROL.save(tmp_path / "edges.png")
    PHOTO.save(tmp_path / "photo.png")
    place = tmp_path / "canny"
    if form == "file":
        place = place / "diffusion_pytorch_model.safetensors"
    told: dict[str, Any] = {"control": place, "control_image": tmp_path / "edges.png", "control_scale": 0.8}
    editor = scumble.Editor.from_pretrained(tmp_path / "tiny-sd", device="cpu", **told)
    plain = scumble.Editor.from_pretrained(tmp_path / "tiny-sd", device="cpu")
    assert editor.model.weights_hash != plain.model.weights_hash
    result = editor.edit(tmp_path / "photo.png", scumble.SDEdit(prompt="a cube", num_inference_steps=3), seed=2)
    result.save(tmp_path / "made.png")
    settings = result.recipe.model_settings
    assert settings["control"]["sha256"] and settings["control_image"]["name"] == "edges.png"
    assert settings["control_scale"] == 0.8
    redone = scumble.redo(
        tmp_path / "made.png", model=str(tmp_path / "tiny-sd"), device="cpu", inputs=[tmp_path / "canny"]
    )
    assert redone.largest == 0
    assert not redone.warnings


@pytest.mark.parametrize("change", ["none", "missing", "foreign"])
def test_a_file_in_the_original_layout_is_the_network_or_is_refused(sd_pipe: Any, tmp_path: Path, change: str) -> None:
    from diffusers import ControlNetModel

    original = ControlNetModel.from_unet(sd_pipe.unet, load_weights_from_unet=False)
    state = original_control_state(original)
    if change == "missing":
        del state["control_model.input_blocks.1.0.in_layers.2.weight"]
    if change == "foreign":
        state["control_model.input_blocks.1.0.unknown.weight"] = torch.zeros(2)
    save_file(state, tmp_path / "control.safetensors")
    sd_pipe.save_pretrained(tmp_path / "tiny-sd")
    told = AddOns.read(control=tmp_path / "control.safetensors", control_image=CONTROL)
    if change != "none":
        with pytest.raises(ScumbleError) as error:
            load(tmp_path / "tiny-sd", "cpu", add_ons=told)
        assert "control.safetensors" in str(error.value)
        assert "\n" not in str(error.value)
        return
    model: Any = load(tmp_path / "tiny-sd", "cpu")
    found = loaded_control(tmp_path / "control.safetensors", model).state_dict()
    assert set(found) == set(original.state_dict())
    assert all(torch.equal(found[key], tensor) for key, tensor in original.state_dict().items())


def test_what_is_no_controlnet_of_this_kind_is_refused_in_one_line(sd_pipe: Any, network: Any, tmp_path: Path) -> None:
    sd_pipe.save_pretrained(tmp_path / "tiny-sd")
    make_controlnet(make_unet(cross_attention_dim=20)).save_pretrained(tmp_path / "other")
    make_controlnet(sd_pipe.unet, halvings=3).save_pretrained(tmp_path / "larger")
    save_file({"a.weight": torch.zeros(2)}, tmp_path / "thing.safetensors")
    CONTROL.save(tmp_path / "edges.png")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"control": tmp_path / "other", "control_image": CONTROL}, "another kind of checkpoint"),
        ({"control": tmp_path / "larger", "control_image": CONTROL}, "8 times the latent's side, the model's 2"),
        ({"control": tmp_path / "thing.safetensors", "control_image": CONTROL}, "no ControlNet"),
        ({"control": tmp_path / "tiny-sd", "control_image": CONTROL}, "weights|config"),
        ({"control": tmp_path / "other"}, "--control-image"),
        ({"control": tmp_path / "nowhere", "control_image": CONTROL}, "neither"),
        ({"control_image": CONTROL}, "give --control"),
        ({"control_scale": 0.5}, "give --control"),
        ({"control": tmp_path / "other", "control_image": CONTROL, "control_scale": -1}, "0 to 10"),
    ]
    for told, word in cases:
        with pytest.raises(ScumbleError, match=word) as error:
            load(tmp_path / "tiny-sd", "cpu", add_ons=AddOns.read(**told))
        assert "\n" not in str(error.value)
    with pytest.raises(ScumbleError, match="control_image="):
        from_pipe(controlled_pipe("StableDiffusionControlNetPipeline", sd_pipe, network))


def test_an_inversion_of_a_window_sees_that_part_of_the_control_picture(editor: scumble.Editor) -> None:
    wide = PHOTO.resize((64, 64))
    inversion = editor.invert(wide, change_map=(8, 8, 24, 24), num_inference_steps=3, seed=1)
    assert inversion.window is not None and inversion.window["box"] != [0, 0, 64, 64]
    method = scumble.DDPMInversion(change_map=(np.indices((64, 64)) // 8 == 1).all(0).astype(np.float32))
    from_file = editor.edit(wide, method, inversion=inversion, seed=1)
    again = editor.invert(wide, change_map=(8, 8, 24, 24), num_inference_steps=3, seed=1)
    assert again.sha256 == inversion.sha256
    assert from_file.image.size == (64, 64)


def test_an_inversion_by_a_long_prompt_with_guidance_is_exact(editor: scumble.Editor) -> None:
    prompt = "a red cube on sand a big cat on sand a cube a big red cat on a cube"
    inversion = editor.invert(PHOTO, prompt=prompt, guidance_scale=2.0, num_inference_steps=3, seed=1)
    assert inversion.error["latent_max"] < 1e-4
