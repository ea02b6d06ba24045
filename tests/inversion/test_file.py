"""The file of an inversion: a round trip keeps everything, and what does not fit is refused by name."""

from __future__ import annotations

import copy
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from scumble.core.schedule import Schedule
from scumble.editing.editor import Editor
from scumble.errors import CheckpointError, InputError, MethodError, ScumbleError
from scumble.hashing import sha256, tensors_sha256
from scumble.images import load_image
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble.models.base import Model

NAME = "cat.inversion.safetensors"
PROMPT = "a photo of a cat"


@pytest.fixture(scope="module")
def inversion(tiny_editor: Editor) -> Inversion:
    y, x = np.mgrid[0:64, 0:64] / 63
    rgba = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x), 0.2 + 0.8 * y], -1)
    picture = Image.fromarray((rgba * 255).astype(np.uint8))
    return tiny_editor.invert(picture, prompt=PROMPT, num_inference_steps=8, skip=0.375, seed=3)


@pytest.fixture
def path(inversion: Inversion, tmp_path: Path) -> Path:
    return inversion.save(tmp_path / NAME)


def test_a_round_trip_keeps_every_field(inversion: Inversion, path: Path) -> None:
    again = Inversion.load(path)
    for field in fields(Inversion):
        own, other = getattr(inversion, field.name), getattr(again, field.name)
        if isinstance(own, Tensor):
            assert own.dtype == other.dtype
            assert torch.equal(own, other), field.name
        else:
            assert own == other, field.name
    assert again.sha256 == inversion.sha256
    assert [p.name for p in path.parent.iterdir()] == [NAME]


def test_the_file_says_what_it_is_of_and_how_exact(inversion: Inversion, path: Path, tiny_sd: Model) -> None:
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert about["prompt"] == PROMPT
    assert (about["kind"], about["seed"], about["first"], len(about["levels"])) == ("edit-friendly", 3, 3, 9)
    assert about["model_sha256"] == tiny_sd.weights_hash
    assert set(about["error"]) == {
        *("latent_max", "latent_rms", "pixel_max", "pixel_psnr", "model_psnr", "picture_max", "picture_psnr")
    }
    assert about["error"]["latent_max"] <= 1e-4
    assert about["error"]["pixel_psnr"] > 60 > about["error"]["model_psnr"]
    assert about["version"]


def test_a_measured_error_is_exactly_zero_where_each_call_has_the_replay_s_shape(
    tiny_editor: Editor, picture: Image.Image
) -> None:
    for kind in ("edit-friendly", "naive"):
        found = tiny_editor.invert(
            picture, prompt=PROMPT, method=kind, guidance_scale=3.5, num_inference_steps=6, chunk=1, seed=1
        )
        assert found.error["latent_max"] == found.error["pixel_max"] == 0
        assert found.error["pixel_psnr"] == 100


def test_the_picture_comes_back_out_of_the_file(inversion: Inversion, path: Path, tiny_editor: Editor) -> None:
    result = tiny_editor.edit(None, DDPMInversion(prompt="a dog", change_map=0), inversion=path)
    assert result.source is not None
    assert result.source.sha256 == inversion.picture_sha256
    assert inversion.picture is not None
    assert np.array_equal(np.asarray(result.image), inversion.picture.numpy())  # transparency too


def test_a_second_edit_costs_only_its_own_steps(path: Path, tiny_editor: Editor) -> None:
    result = tiny_editor.edit(None, DDPMInversion(prompt="a dog"), inversion=path, seed=5)
    assert (result.cost.forward_rows, result.cost.network_calls) == (2 * 5, 5)
    assert result.recipe.inversion == {"name": NAME, "sha256": Inversion.load(path).sha256}


def test_an_edit_from_the_file_is_the_edit_without_it(path: Path, tiny_editor: Editor) -> None:
    stored = Inversion.load(path)
    assert stored.picture is not None
    known = {"source_prompt": PROMPT, "num_inference_steps": 8, "skip": 0.375}
    fresh = tiny_editor.edit(stored.picture.numpy(), DDPMInversion(prompt="a dog", **known), seed=3)
    again = tiny_editor.edit(None, DDPMInversion(prompt="a dog"), inversion=stored, seed=99)
    assert np.array_equal(np.asarray(fresh.image), np.asarray(again.image))


def test_a_smaller_skip_evaluates_only_the_missing_levels(path: Path, tiny_editor: Editor) -> None:
    result = tiny_editor.edit(None, DDPMInversion(prompt="a dog", skip=0.125), inversion=path)
    assert result.cost.forward_rows == 2 + 2 * 7  # two levels with one row, then seven guided steps
    larger = tiny_editor.edit(None, DDPMInversion(prompt="a dog", skip=0.75), inversion=path)
    assert larger.cost.forward_rows == 2 * 2


@pytest.mark.parametrize("keep", [0, 7, 100, 3000, -1])
def test_a_file_cut_short_is_refused(keep: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=f"{NAME} is damaged or cut short"):
        Inversion.load(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        Inversion.load(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        Inversion.load(tmp_path / NAME)
    save_file({"xs": torch.zeros(1)}, tmp_path / NAME)
    with pytest.raises(CheckpointError, match="no inversion that this version reads"):
        Inversion.load(tmp_path / NAME)
    (tmp_path / NAME).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(CheckpointError, match="damaged"):
        Inversion.load(tmp_path / NAME)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"prompt": None}, "lacks prompt"), ({"wings": 2}, "newer version.*wings"), ({"first": 5}, "damaged")],
)
def test_a_file_that_says_too_little_or_too_much_is_refused(change: dict[str, Any], message: str, path: Path) -> None:
    with safe_open(path, "pt") as file:
        meta = file.metadata()
    about = {k: v for k, v in {**json.loads(meta["about"]), **change}.items() if v is not None or k not in change}
    rewrite(path, about=json.dumps(about))
    with pytest.raises(CheckpointError, match=message):
        Inversion.load(path)


def rewrite(path: Path, signed: bool = True, **meta: str) -> None:
    """Change what an inversion's file says; ``signed`` with the checksum that belongs to it."""
    with safe_open(path, "pt") as file:
        about, tensors = {**file.metadata(), **meta}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if signed and about["format"] != "scumble-inversion-1":
        about["sha256"] = sha256(tensors_sha256(tensors), about["about"])
    save_file(tensors, path, metadata=about)


@pytest.mark.parametrize("key", ["prompt", "guidance_scale", "model_sha256", "seed"])
def test_what_a_file_says_is_under_its_checksum(path: Path, key: str) -> None:
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    rewrite(path, signed=False, about=json.dumps({**about, key: "a dog" if key == "prompt" else 7}))
    with pytest.raises(CheckpointError, match="do not match its checksum"):
        Inversion.load(path)


def test_a_newer_format_says_which_version_it_needs(path: Path) -> None:
    rewrite(path, format="scumble-inversion-3", needs="9.1")
    with pytest.raises(CheckpointError, match=r"has format 3: it needs Scumble 9\.1, this one reads up to 2"):
        Inversion.load(path)


def test_a_file_of_version_0_1_means_what_it_did() -> None:
    old = Inversion.load(Path(__file__).parents[1] / "reference_0_1" / "recipes" / "ddim.inversion.safetensors")
    assert (old.version, old.kind, old.steps, old.window) == ("0.1.0", "ddim", 4, None)
    assert old.prompt == "a photo of a cat" and "inversion_start" not in old.report


@pytest.mark.parametrize(
    "change",
    [
        {"levels": "none"},
        {"levels": [[1, 2]]},
        {"levels": [[1e999, 0.5, 0.5]]},
        {"first": -1},
        {"kind": "other"},
        {"size": [64]},
        {"window": {"box": [0, 0, 64]}},
        {"window": {"box": "whole", "scaled": [8, 8], "size": [8, 8]}},
        {"error": {"pixel_psnr": "good"}},
        {"report": []},
        {"seed": "seven"},
    ],
    ids=json.dumps,
)
def test_values_of_another_kind_are_refused_in_either_format(change: dict[str, Any], path: Path) -> None:
    with safe_open(path, "pt") as file:
        about = json.dumps({**json.loads(file.metadata()["about"]), **change})
    rewrite(path, about=about)
    with pytest.raises(CheckpointError, match="damaged"):
        Inversion.load(path)
    tensors = load_file(path)
    save_file(tensors, path, {"format": "scumble-inversion-1", "sha256": tensors_sha256(tensors), "about": about})
    with pytest.raises(CheckpointError, match="damaged"):
        Inversion.load(path)


def test_nothing_is_written_where_it_cannot_be(inversion: Inversion, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"NAME\.inversion\.safetensors"):
        inversion.save(tmp_path / "cat.safetensors")
    with pytest.raises(InputError, match="folder"):
        inversion.save(tmp_path / "missing" / NAME)
    (tmp_path / NAME).mkdir()
    with pytest.raises(InputError, match="is a folder"):
        inversion.save(tmp_path / NAME)
    with pytest.raises(InputError, match="2 candidates"):
        replace(inversion, xs=inversion.xs.expand(-1, 2, -1, -1, -1)).save(tmp_path / f"x{NAME}")
    assert [p.name for p in tmp_path.rglob("*")] == [NAME]


def test_a_misfit_is_named(inversion: Inversion, tiny_sd: Model, tiny_editor: Editor, picture: Image.Image) -> None:
    shape = inversion.xs.shape[1:]
    inversion.fits(tiny_sd, inversion.levels, shape)
    inversion.fits(tiny_sd, inversion.levels, (5, *shape[1:]))
    with pytest.raises(InputError, match="made with the model tiny-sd"):
        replace(inversion, model_sha256="0" * 64).fits(tiny_sd, inversion.levels, shape)
    with pytest.raises(InputError, match="8 steps, the run has 5 steps"):
        inversion.fits(tiny_sd, tiny_sd.schedule.levels(5), shape)
    with pytest.raises(InputError, match=r"level 0 .* schedule is another one"):
        inversion.fits(tiny_sd, Schedule.from_config({"beta_schedule": "linear"}).levels(8), shape)
    with pytest.raises(InputError, match=r"shape \(1, 4, 16, 16\), the run \(1, 4, 8, 16\)"):
        inversion.fits(tiny_sd, inversion.levels, (1, 4, 8, 16))
    with pytest.raises(InputError, match="8 steps, the run has 5 steps"):
        tiny_editor.edit(None, DDPMInversion(num_inference_steps=5), inversion=inversion)
    other: Any = copy.copy(tiny_sd)
    other.schedule = Schedule.from_config({**tiny_sd.schedule.config, "timestep_spacing": "trailing"})
    with pytest.raises(InputError, match="schedule is another one"):
        Editor(other).edit(None, DDPMInversion(), inversion=inversion)


def test_contradictions_to_the_file_are_refused(
    inversion: Inversion, tiny_editor: Editor, picture: Image.Image
) -> None:
    with pytest.raises(InputError, match="source_prompt 'a photo of a cat', not 'a dog'"):
        tiny_editor.edit(None, DDPMInversion(source_prompt="a dog"), inversion=inversion)
    with pytest.raises(InputError, match=r"eta 1\.0, not 0\.5"):
        tiny_editor.edit(None, DDPMInversion(eta=0.5), inversion=inversion)
    with pytest.raises(InputError, match=r"source_guidance_scale 1\.0, not 3\.5"):
        tiny_editor.edit(None, DDPMInversion(source_guidance_scale=3.5), inversion=inversion)
    with pytest.raises(MethodError, match="needs an inversion of the kind ddim, the one given is edit-friendly"):
        tiny_editor.edit(None, DDIMInversion(), inversion=inversion)
    with pytest.raises(MethodError, match="sdedit does not start from an inversion"):
        tiny_editor.edit(None, SDEdit(), inversion=inversion)
    with pytest.raises(InputError, match="of another picture"):
        tiny_editor.edit(picture.rotate(90), DDPMInversion(), inversion=inversion)
    with pytest.raises(InputError, match="holds no picture"):
        tiny_editor.edit(None, DDPMInversion(), inversion=replace(inversion, picture=None))
    early = replace(inversion.since(5), compat="official")
    with pytest.raises(InputError, match="skips 5 of 8 steps, 3 are asked for"):
        tiny_editor.edit(None, DDPMInversion(skip=0.375), inversion=early)


def test_a_level_outside_the_path_is_named(inversion: Inversion) -> None:
    with pytest.raises(InputError, match="levels 3 to 8 of the run, not level 2"):
        inversion.x_at(2)
    with pytest.raises(InputError, match="steps 3 to 7 of the run, not step 8"):
        inversion.z_at(8)
    assert torch.equal(inversion.x_at(8), inversion.x0)
    late = inversion.since(6)
    assert torch.equal(late.x_at(6), inversion.x_at(6))
    assert late.since(2) is late
    assert torch.equal(late.residual_at(7), inversion.residual_at(7))  # type: ignore[arg-type]


def test_a_picture_of_any_size_is_inverted_at_the_model_s(tiny_editor: Editor) -> None:
    grey = Image.new("L", (50, 70), 90)
    found = tiny_editor.invert(grey, num_inference_steps=3, skip=0.0, seed=0, measured=False)
    assert found.error == {}
    assert found.size[0] % 8 == found.size[1] % 8 == 0
    result = tiny_editor.edit(None, DDPMInversion(change_map=0.5), inversion=found)
    assert result.image.size == (50, 70)
    assert load_image(grey).sha256 == found.picture_sha256


def test_bad_settings_of_an_inversion_are_refused(tiny_editor: Editor, picture: Image.Image) -> None:
    with pytest.raises(InputError, match=r"skip is the share .* 18 of 50 steps is 0\.36"):
        tiny_editor.invert(picture, skip=18)
    with pytest.raises(InputError, match="skip is the share"):
        tiny_editor.invert(picture, skip=-0.1)
    with pytest.raises(InputError, match="eta above 0"):
        tiny_editor.invert(picture, eta=0.0)
    with pytest.raises(InputError, match="1000"):
        tiny_editor.invert(picture, num_inference_steps=5000)


def test_settings_are_those_of_version_0_1_by_name_and_in_one_object(tiny_editor: Editor, picture: Image.Image) -> None:
    named = tiny_editor.invert(
        picture, prompt="a cat", method="ddim", num_inference_steps=4, iterations=2, seed=1, measured=False
    )
    settings = InversionSettings(kind="ddim", num_inference_steps=4, iterations=2)
    found = tiny_editor.invert(picture, settings, prompt="a cat", seed=1, measured=False)
    assert found.sha256 == named.sha256
    assert found.report["settings"] == {
        **settings.model_dump(exclude_none=True),
        "prompt": "a cat",
        "skip": 0.0,
        "guidance_scale": 1.0,
        "eta": 0.0,
    }


def test_a_file_says_with_which_settings_it_was_made(inversion: Inversion, path: Path) -> None:
    settings = InversionSettings.model_validate(Inversion.load(path).report["settings"])
    assert (settings.kind, settings.prompt, settings.num_inference_steps) == ("edit-friendly", PROMPT, 8)
    assert (settings.skip, settings.eta, settings.mode) == (0.375, 1.0, "parallel")
    assert settings.model_dump(exclude_none=True) == inversion.report["settings"]


def test_unknown_settings_are_refused_in_one_line(tiny_editor: Editor, picture: Image.Image) -> None:
    with pytest.raises(InputError, match=r"skipp.*skip"):
        tiny_editor.invert(picture, skipp=0.3)
    with pytest.raises(InputError, match="kind = 'nearest'"):
        tiny_editor.invert(picture, method="nearest")


@pytest.mark.parametrize("measured", [True, False])
def test_a_path_that_is_not_finite_is_refused_whether_measured_or_not(
    tiny_editor: Editor, picture: Image.Image, monkeypatch: pytest.MonkeyPatch, measured: bool
) -> None:
    from scumble.editing import invert

    original = invert.inversion_for

    def broken(*args: Any) -> Inversion:
        found = original(*args)
        return replace(found, xs=found.xs * float("nan"))

    monkeypatch.setattr(invert, "inversion_for", broken)
    with pytest.raises(ScumbleError, match="not finite"):
        tiny_editor.invert(picture, num_inference_steps=2, seed=1, measured=measured)
