from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from scumble.errors import CheckpointError, InputError
from scumble.models.loading import from_pipe, hub, load
from scumble.models.loading.folder import family
from tests.support.original_layout import original_state


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, sd_pipe: Any, sdxl_pipe: Any, ddpm_pipe: Any) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    for name, pipe in (("tiny-sd", sd_pipe), ("tiny-xl", sdxl_pipe), ("tiny-ddpm", ddpm_pipe)):
        pipe.save_pretrained(root / name)
    return root


@pytest.fixture
def sd_folder(folders: Path, tmp_path: Path) -> Path:
    """A copy of the SD folder that a test may spoil."""
    return Path(shutil.copytree(folders / "tiny-sd", tmp_path / "tiny-sd"))


def predict(model: Any) -> torch.Tensor:
    x = torch.randn(1, model.channels, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return model.predict(x, model.schedule.at(321), model.embed(["a red cube"])).eps


@pytest.mark.parametrize("name", ["tiny-sd", "tiny-xl", "tiny-ddpm"])
def test_a_folder_gives_the_same_model_as_the_pipeline_it_was_saved_from(
    folders: Path, name: str, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue({"tiny-sd": "sd_pipe", "tiny-xl": "sdxl_pipe", "tiny-ddpm": "ddpm_pipe"}[name])
    loaded, wrapped = load(folders / name, device="cpu"), from_pipe(pipe)
    assert loaded.name == name
    assert wrapped.denoiser is pipe.unet
    assert torch.allclose(predict(loaded), predict(wrapped), atol=1e-5)
    assert loaded.schedule.levels(7) == wrapped.schedule.levels(7)
    assert (loaded.multiple, loaded.native_size, loaded.clip_sample) == (
        wrapped.multiple,
        wrapped.native_size,
        wrapped.clip_sample,
    )
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(loaded.encode(image), wrapped.encode(image), atol=1e-5)
    assert not any(p.requires_grad for p in loaded.denoiser.parameters())


def test_the_empty_prompt_of_sdxl_is_zeros_from_a_folder_too(folders: Path) -> None:
    embeds = load(folders / "tiny-xl", device="cpu").embed([""]).embeds
    assert embeds is not None
    assert float(embeds.abs().max()) == 0


def test_the_hash_is_that_of_the_file(folders: Path) -> None:
    file = folders / "tiny-sd" / "unet" / "diffusion_pytorch_model.safetensors"
    assert load(folders / "tiny-sd", device="cpu").weights_hash == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_relative_path_is_called_by_its_folder(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders / "tiny-ddpm")
    assert load(".", device="cpu").name == "tiny-ddpm"


@pytest.mark.parametrize("dtype", ["float16", "bf16", torch.bfloat16])
def test_half_precision_is_loaded_and_answers_in_float32(folders: Path, dtype: Any) -> None:
    model: Any = load(folders / "tiny-sd", device="cpu", dtype=dtype)
    assert model.dtype == (torch.float16 if dtype == "float16" else torch.bfloat16)
    assert model.vae.dtype == (torch.float32 if dtype == "float16" else torch.bfloat16)
    assert predict(model).dtype == torch.float32


def test_a_folder_with_only_an_fp16_variant_is_loaded(sd_folder: Path) -> None:
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        (sd_folder / part / f"{stem}.safetensors").rename(sd_folder / part / f"{stem}.fp16.safetensors")
    assert load(sd_folder, device="cpu").name == "tiny-sd"


def test_a_folder_of_pickles_is_refused_with_the_reason_and_the_way_out(sd_folder: Path) -> None:
    weights = sd_folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CheckpointError, match=r"run any code.*save_pretrained"):
        load(sd_folder)


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin"])
def test_a_pickle_file_is_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"model{suffix}"
    file.write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match="run any code"):
        load(file)


def test_a_folder_without_its_index_is_refused(sd_folder: Path) -> None:
    (sd_folder / "model_index.json").unlink()
    with pytest.raises(CheckpointError, match=r"model_index\.json is missing"):
        load(sd_folder)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_index_is_refused(sd_folder: Path, text: str) -> None:
    (sd_folder / "model_index.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"model_index\.json"):
        load(sd_folder)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_part_is_named(sd_folder: Path, part: str) -> None:
    shutil.rmtree(sd_folder / part)
    with pytest.raises(CheckpointError, match={"vae": "autoencoder"}.get(part, part)):
        load(sd_folder, device="cpu")


def test_damaged_weights_are_refused_by_name(sd_folder: Path) -> None:
    file = sd_folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"tiny-sd/unet cannot be loaded; it is damaged"):
        load(sd_folder, device="cpu")


def test_another_kind_of_pipeline_is_refused(sd_folder: Path) -> None:
    index = sd_folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_class_name": "FluxPipeline"}))
    with pytest.raises(CheckpointError, match="FluxPipeline"):
        load(sd_folder)


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("StableDiffusionPipeline", "sd"),
        ("StableDiffusionImg2ImgPipeline", "sd"),
        ("StableDiffusionInpaintPipeline", "sd"),
        ("StableDiffusionXLPipeline", "sdxl"),
        ("StableDiffusionXLImg2ImgPipeline", "sdxl"),
        ("DDPMPipeline", "pixel"),
        ("StableDiffusion3Pipeline", None),
        ("StableDiffusionUpscalePipeline", None),
        ("StableDiffusionDepth2ImgPipeline", None),
        ("FluxPipeline", None),
    ],
)
def test_pipelines_are_told_apart_by_their_class(pipeline: str, expected: str | None) -> None:
    assert family(pipeline) == expected


@pytest.mark.parametrize("name", ["stil-life", "no-such-model", "/no/such/folder", "a/b/c", "x.safetensors"])
def test_a_name_that_is_nothing_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="there is no model"):
        load(name)


def test_a_misspelt_bundled_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(CheckpointError, match="did you mean still-life"):
        load("stil-life")


def test_a_hub_id_without_a_network_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(hub, "_kept", lambda repo: None)
    monkeypatch.setattr(hub, "_wanted", offline)
    with pytest.raises(CheckpointError, match=r"owner/name is neither .* \(no network\)"):
        load("owner/name")


def test_a_hub_model_that_is_kept_needs_no_network(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repo, **kwargs: str(folders / "tiny-xl"))
    monkeypatch.setattr(hub, "_wanted", lambda repo: pytest.fail("asked the hub"))
    assert load("owner/name", device="cpu").name == "owner/name"


def test_an_incomplete_hub_model_is_not_taken_for_a_kept_one(monkeypatch: pytest.MonkeyPatch, sd_folder: Path) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repo, **kwargs: str(sd_folder))
    assert hub._kept("owner/name") == sd_folder
    (sd_folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert hub._kept("owner/name") is None


def test_a_hub_model_kept_as_a_pickle_alone_is_called_that_without_a_network(
    monkeypatch: pytest.MonkeyPatch, sd_folder: Path
) -> None:
    def offline(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no network")

    weights = sd_folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repo, **kwargs: str(sd_folder))
    monkeypatch.setattr(hub, "_wanted", offline)
    with pytest.raises(CheckpointError, match=r"owner/name/unet, as it is kept .* as a pickle .* convert it once"):
        load("owner/name")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="no readable safetensors"):
        load(file)
    for key, word in (
        ("down_blocks.0.weight", "model_index.json"),
        ("unet.lora_A.weight", "LoRA"),
    ):
        save_file({key: torch.zeros(1)}, file)
        with pytest.raises(CheckpointError, match=word):
            load(file)
    save_file({"model.diffusion_model.x": torch.zeros(1), "conditioner.embedders.0.x": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match="refiner"):
        load(file)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_single_file_gives_the_same_model_as_the_folder(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sd_pipe: Any, dtype: str
) -> None:
    monkeypatch.setattr(
        "diffusers.loaders.single_file._download_diffusers_model_config_from_hub",
        lambda *args, **kwargs: str(folders / "tiny-sd"),
    )
    file = tmp_path / "my-model.safetensors"
    save_file(original_state(sd_pipe), file)
    single: Any = load(file, device="cpu", dtype=dtype)
    folder: Any = load(folders / "tiny-sd", device="cpu", dtype=dtype)
    assert single.name == "my-model"
    assert single.weights_hash == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (single.dtype, single.vae.dtype) == (folder.dtype, folder.vae.dtype)
    assert torch.allclose(predict(single), predict(folder), atol=1e-5)
    image = torch.rand(1, 3, 16, 16)
    assert torch.allclose(single.decode(single.encode(image)), folder.decode(folder.encode(image)), atol=1e-5)
    assert single.schedule.levels(9) == folder.schedule.levels(9)


def test_a_single_file_whose_config_cannot_be_had_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionPipeline

    def offline(*args: Any, **kwargs: Any) -> None:
        raise OSError("cannot connect to the hub")

    monkeypatch.setattr(StableDiffusionPipeline, "from_single_file", offline)
    file = tmp_path / "x.safetensors"
    save_file({"model.diffusion_model.x": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=r"cannot connect to the hub.*use a folder instead"):
        load(file)


def test_a_pipeline_of_another_kind_is_refused() -> None:
    with pytest.raises(CheckpointError, match="supported are"):
        from_pipe(object())


def test_a_pipeline_keeps_its_own_state(sd_pipe: Any) -> None:
    before = [p.requires_grad for p in sd_pipe.unet.parameters()]
    model = from_pipe(sd_pipe)
    predict(model)
    assert [p.requires_grad for p in sd_pipe.unet.parameters()] == before
    assert model.name == "StableDiffusionPipeline"


@pytest.mark.parametrize("device", ["cup", "cuda:99", "meta", "gpu"])
def test_a_device_that_is_not_here_is_refused(device: str) -> None:
    with pytest.raises(InputError, match="device"):
        load("still-life", device=device)


def test_a_precision_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="float32"):
        load("still-life", dtype="float31")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, scumble, scumble.models; "
        "heavy = {'torch', 'diffusers', 'transformers'} & set(sys.modules); assert not heavy, heavy; "
        "from scumble.models import load, from_pipe, LatentModel, Tap, sites; "
        "heavy = {'diffusers', 'transformers'} & set(sys.modules); assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
