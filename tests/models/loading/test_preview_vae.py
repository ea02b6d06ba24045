"""A small autoencoder shows where an edit is going; it makes the result only where that is asked for, and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import scumble
from scumble.errors import CheckpointError, InputError, ScumbleError
from scumble.models.add_ons import AddOns
from scumble.models.loading import load

PHOTO = Image.fromarray(np.random.default_rng(4).integers(0, 255, (16, 16, 3), dtype=np.uint8))
EDIT = scumble.SDEdit(prompt="a cube", num_inference_steps=2)


def tiny(folder: Path, **kwargs: Any) -> Any:
    from diffusers import AutoencoderTiny

    sides: dict[str, Any] = {f"{half}_block_out_channels": (8, 8) for half in ("encoder", "decoder")} | {
        f"num_{half}_blocks": (1, 1) for half in ("encoder", "decoder")
    }
    network = AutoencoderTiny(**{**sides, **kwargs}).eval()
    network.save_pretrained(folder)
    return network


@pytest.fixture
def folder(sd_pipe: Any, tmp_path: Path) -> Path:
    sd_pipe.save_pretrained(tmp_path / "tiny-sd")
    return tmp_path / "tiny-sd"


def test_previews_are_what_the_small_decoder_makes_and_results_are_not(folder: Path, tmp_path: Path) -> None:
    network = tiny(tmp_path / "taesd")
    plain = scumble.Editor.from_pretrained(folder, device="cpu")
    editor = scumble.Editor.from_pretrained(folder, device="cpu", preview_vae=tmp_path / "taesd")
    shown: list[tuple[Image.Image, torch.Tensor]] = []
    made = editor.edit(PHOTO, EDIT, seed=1, on_step=lambda one: shown.append((one.preview(), one.x0.clone())))
    for preview, x0 in shown:
        with torch.no_grad():
            wanted = network.decode(x0).sample[0].permute(1, 2, 0) / 2 + 0.5
        assert np.abs(np.asarray(preview) - wanted.clamp(0, 1).numpy() * 255).max() <= 0.51
    assert made.image.tobytes() == plain.edit(PHOTO, EDIT, seed=1).image.tobytes()
    assert editor.model.weights_hash == plain.model.weights_hash
    assert made.recipe.model_settings == {}
    assert editor.model.remarks == ()


def test_a_small_autoencoder_given_as_the_vae_makes_the_result_and_each_result_says_so(
    folder: Path, tmp_path: Path
) -> None:
    network = tiny(tmp_path / "taesd")
    editor = scumble.Editor.from_pretrained(folder, device="cpu", vae=tmp_path / "taesd")
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(editor.model.encode(image), network.encode(image).latents, atol=1e-6)
        x0 = torch.randn(1, 4, 8, 8)
        assert torch.allclose(editor.model.decode(x0), network.decode(x0).sample, atol=1e-6)
    made = editor.edit(PHOTO, EDIT, seed=1)
    assert len([one for one in made.notices if "small autoencoder made for previews" in one]) == 1
    assert made.recipe.model_settings["vae"]["name"] == "taesd"
    editor.edit(PHOTO, scumble.DDPMInversion(prompt="a cube", num_inference_steps=2), seed=1)


def test_what_cannot_show_previews_is_refused_in_one_line(folder: Path, ddpm_pipe: Any, tmp_path: Path) -> None:
    tiny(tmp_path / "flux", latent_channels=16)
    ddpm_pipe.save_pretrained(tmp_path / "pixels")
    tiny(tmp_path / "taesd")
    wrong: list[tuple[Path, Path, type[ScumbleError], str]] = [
        (folder, tmp_path / "nowhere", InputError, "is no folder here"),
        (folder, folder / "vae", CheckpointError, "is a AutoencoderKL; a small one is wanted"),
        (folder, tmp_path / "flux", CheckpointError, "16 channels"),
        (tmp_path / "pixels", tmp_path / "taesd", InputError, "need no decoder"),
    ]
    with pytest.raises(CheckpointError, match="is a UNet2DConditionModel; the supported"):
        scumble.Editor.from_pretrained(folder, device="cpu", vae=folder / "unet")
    with pytest.raises(CheckpointError, match="is a AutoencoderTiny; one ControlNetModel"):
        scumble.Editor.from_pretrained(folder, device="cpu", control=tmp_path / "taesd", control_image=PHOTO)
    for model, vae, kind, word in wrong:
        with pytest.raises(kind, match=word) as error:
            scumble.Editor.from_pretrained(model, device="cpu", preview_vae=vae)
        assert "\n" not in str(error.value)


def test_a_worker_of_the_studio_shows_previews_by_it_where_it_fits(folder: Path, tmp_path: Path) -> None:
    from scumble.studio.worker import Maker

    tiny(tmp_path / "taesd")
    maker = Maker(str(folder), "cpu", preview_vae=str(tmp_path / "taesd"))
    assert maker._loaded(str(folder)).model.decode_preview is not None
    wrong = Maker(str(folder), "cpu", preview_vae=str(folder / "vae"))
    with pytest.raises(CheckpointError, match="small one"):
        wrong._loaded(str(folder))


def test_instruction_models_keep_their_own_autoencoder(sd_pipe: Any, tmp_path: Path) -> None:
    from tests.models.loading.test_checkpoint_table import with_parts
    from tests.support.tiny import make_unet

    with_parts(sd_pipe, unet=make_unet(in_channels=8)).save_pretrained(tmp_path / "asked")
    tiny(tmp_path / "taesd")
    with pytest.raises(CheckpointError, match="preview"):
        load(tmp_path / "asked", "cpu", add_ons=AddOns.read(vae=tmp_path / "taesd"))
