"""Half weights, networks that lie elsewhere, compiled or stored in 8 bits: the same pictures, and a result always."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import scumble
from scumble.errors import InputError
from scumble.models.loading import from_pipe, load
from scumble.models.loading.offload import check_offload, offload
from tests.support.original_layout import original_state
from tests.support.parity import by_us, close
from tests.support.tiny import make_controlnet, make_unet, pipe_with

PHOTO = Image.new("RGB", (16, 16), (200, 90, 40))
EDIT = scumble.SDEdit(prompt="a red cube", num_inference_steps=3)


@pytest.mark.parametrize("kind", ["sequential", "model"])
def test_an_offloaded_model_makes_the_same_bytes(folder: Path, sd_pipe: Any, kind: Any) -> None:
    plain = scumble.Editor.from_pretrained(folder, device="cpu")
    editor = scumble.Editor.from_pretrained(folder, device="cpu")
    model: Any = editor.model
    offload(model, kind, torch.device("cpu"))
    assert next(model.denoiser.parameters()).is_meta is (kind == "sequential")
    for method in (EDIT, scumble.DDPMInversion(prompt="a cube", source_prompt="a cat", num_inference_steps=3)):
        ours = editor.edit(PHOTO, method, seed=1)
        assert ours.image.tobytes() == plain.edit(PHOTO, method, seed=1).image.tobytes()
    assert ours.recipe.model["sha256"] == plain.model.weights_hash


def test_a_pipe_whose_networks_are_offloaded_by_accelerate_works_and_has_its_hash(sd_pipe: Any) -> None:
    from accelerate import cpu_offload

    names = ("unet", "vae", "text_encoder")
    away = pipe_with(sd_pipe, **{name: copy.deepcopy(getattr(sd_pipe, name)) for name in names})
    for name in names:
        cpu_offload(getattr(away, name), torch.device("cpu"))
    result = scumble.Editor.from_pipe(away).edit(PHOTO, EDIT, seed=1)
    assert result.image.tobytes() == scumble.Editor.from_pipe(sd_pipe).edit(PHOTO, EDIT, seed=1).image.tobytes()
    assert len(result.recipe.model["sha256"]) == 64


def test_a_controlnet_is_offloaded_with_the_rest(folder: Path, sd_pipe: Any, tmp_path: Path) -> None:
    make_controlnet(sd_pipe.unet).save_pretrained(tmp_path / "canny")
    told = {"control": tmp_path / "canny", "control_image": PHOTO}
    plain = scumble.Editor.from_pretrained(folder, device="cpu", **told)
    editor = scumble.Editor.from_pretrained(folder, device="cpu", **told)
    offload(editor.model, "sequential", torch.device("cpu"))  # type: ignore[arg-type]
    assert editor.edit(PHOTO, EDIT, seed=1).image.tobytes() == plain.edit(PHOTO, EDIT, seed=1).image.tobytes()


@pytest.mark.parametrize(("kind", "word"), [("sequential", "on the processor"), ("modell", "did you mean model")])
def test_offloading_without_a_gpu_is_refused_in_one_line(folder: Path, kind: str, word: str) -> None:
    with pytest.raises(InputError, match=word) as error:
        scumble.Editor.from_pretrained(folder, device="cpu", offload=kind)
    assert "\n" not in str(error.value)
    check_offload("model", torch.device("cuda"))


@pytest.mark.parametrize("how", ["in place", "wrapped"])
def test_a_compiled_network_makes_the_same_picture_also_where_it_is_read(sd_pipe: Any, how: str) -> None:
    unet = copy.deepcopy(sd_pipe.unet)
    if how == "in place":
        unet.compile(backend="eager")
    else:
        unet = torch.compile(unet, backend="eager")
    editor = scumble.Editor.from_pipe(pipe_with(sd_pipe, unet=unet))
    plain = scumble.Editor.from_pipe(sd_pipe)
    words = scumble.PromptToPrompt(prompt="a red cube", source_prompt="a big cube", num_inference_steps=3)
    for method in (EDIT, words, EDIT):  # what reads activations between two that do not
        assert close(by_us(editor, method, image=PHOTO)[0], by_us(plain, method, image=PHOTO)[0])
    assert editor.model.weights_hash == plain.model.weights_hash


def test_weights_stored_in_8_bits_compute_as_in_diffusers(sd_pipe: Any) -> None:
    unet = copy.deepcopy(sd_pipe.unet)
    unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    assert next(unet.parameters()).dtype == torch.float8_e4m3fn
    editor = scumble.Editor.from_pipe(pipe_with(sd_pipe, unet=unet))
    x, cond, level = torch.randn(1, 4, 8, 8), editor.model.embed(["a cat"]), editor.model.schedule.at(300)
    with torch.no_grad():
        assert close(editor.model.predict(x, level, cond).eps, unet(x, 300, cond.text).sample)
    result = editor.edit(PHOTO, EDIT, seed=1)
    assert len(result.recipe.model["sha256"]) == 64
    assert result.recipe.model["sha256"] != from_pipe(sd_pipe).weights_hash


@pytest.mark.parametrize(
    ("dtype", "marked"), [("float16", "fp16"), ("bfloat16", "bf16"), ("float32", None)], ids=["fp16", "bf16", "fp32"]
)
def test_the_variant_of_the_precision_is_the_one_that_is_loaded(folder: Path, dtype: str, marked: str | None) -> None:
    for part in ("unet", "vae", "text_encoder"):
        file = next((folder / part).glob("*.safetensors"))
        for variant, kind, factor in (("fp16", torch.float16, 2), ("bf16", torch.bfloat16, 3)):
            state = {key: (one * factor).to(kind) for key, one in load_file(file).items()}
            save_file(state, file.with_name(f"{file.stem}.{variant}.safetensors"), {"format": "pt"})
    model: Any = load(folder, "cpu", dtype)
    plain = load_file(next((folder / "unet").glob("diffusion_pytorch_model.safetensors")))["conv_in.bias"]
    factor = {"fp16": 2, "bf16": 3, None: 1}[marked]
    assert torch.allclose(model.denoiser.conv_in.bias.float(), plain * factor, rtol=1e-2)
    assert model.vae.dtype == (torch.float32 if dtype == "float16" else getattr(torch, dtype))


def test_a_half_single_file_keeps_its_weights_and_its_autoencoder_computes_in_float32(
    folder: Path, sd_pipe: Any, tmp_path: Path
) -> None:
    state = {key: one.half() for key, one in original_state(sd_pipe).items()}
    save_file(state, tmp_path / "half.safetensors")
    model: Any = load(tmp_path / "half.safetensors", "cpu", "float16", config=folder)
    assert model.dtype == torch.float16
    assert model.vae.dtype == torch.float32
    assert torch.equal(model.denoiser.conv_in.weight, sd_pipe.unet.conv_in.weight.half())
    found = model.decode(model.encode(torch.rand(1, 3, 16, 16) * 2 - 1))
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())


def test_a_half_network_beside_a_full_autoencoder_in_one_file_loses_nothing(
    folder: Path, sd_pipe: Any, tmp_path: Path
) -> None:
    state = original_state(sd_pipe)
    mixed = {key: one if key.startswith("first_stage") else one.half() for key, one in state.items()}
    save_file(mixed, tmp_path / "mixed.safetensors")
    model: Any = load(tmp_path / "mixed.safetensors", "cpu", config=folder)
    assert torch.equal(model.vae.encoder.conv_in.weight, sd_pipe.vae.encoder.conv_in.weight)
    assert make_unet().dtype == model.dtype
