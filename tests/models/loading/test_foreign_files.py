"""A file that is no checkpoint is told what it is and where it belongs, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scumble.errors import CheckpointError
from scumble.models.loading import load
from scumble.models.loading.single_file import _stated_inside

ONE = torch.zeros(1)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        (["double_blocks.0.img_attn.qkv.weight", "x.y"], "Flux"),
        (["model.diffusion_model.joint_blocks.0.x.weight", "x.y"], "Stable Diffusion 3"),
        (["lora_unet_x.lokr_w1", "lora_unet_x.lokr_w2"], "--lora"),
        (["lora_unet_x.hada_w1_a"], "--lora"),
        (["emb_params"], "--textual-inversion"),
        (["clip_g", "clip_l"], "--textual-inversion"),
        (["<cat>"], "--textual-inversion"),
        (["control_model.input_blocks.0.0.weight", "x.y"], "ControlNet"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "--vae"),
        (["model.diffusion_model.a.weight", "model.diffusion_model.b.weight"], "U-Net alone"),
        (["a.weight", "b.weight"], "not a complete"),
    ],
)
def test_what_a_safetensors_file_is(tmp_path: Path, keys: list[str], word: str) -> None:
    file = tmp_path / "x.SAFETENSORS"
    save_file({key: ONE.clone() for key in keys}, file)
    with pytest.raises(CheckpointError, match=word) as error:
        load(file, "cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".ckpt", ".sft", ".pt"])
def test_safetensors_under_another_ending_are_told_so(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"x{suffix}"
    save_file({"a": ONE}, file)
    with pytest.raises(CheckpointError, match=r"rename it to \.safetensors"):
        load(file, "cpu")


def test_quantized_files_and_others_are_told_apart(tmp_path: Path) -> None:
    for name, word in (("x.gguf", "GGUF"), ("x.xyz", "no checkpoint that Scumble reads")):
        (tmp_path / name).write_bytes(b"GGUF\x00\x00\x00\x00\x00")
        with pytest.raises(CheckpointError, match=word):
            load(tmp_path / name, "cpu")


def test_files_that_say_v_prediction_and_zero_snr_are_obeyed() -> None:
    assert _stated_inside(["v_pred", "ztsnr", "a"]) == {
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }
    assert _stated_inside(["a"]) == {}
