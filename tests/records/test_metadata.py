"""A picture carries its recipe, in our words and in those of other programs, and never where a person works."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from PIL import Image

from scumble.errors import InputError
from scumble.images import save_image, sidecar_path
from scumble.records.metadata import (
    embed,
    parameters_text,
    read_metadata,
    read_texts,
    refuse_absolute_paths,
    without_folders,
)

RECIPE: dict[str, Any] = {
    "method": "differential-diffusion",
    "parameters": {
        "prompt": "ein Käfer, 夜\nand a second line",
        "negative_prompt": "blurry",
        "num_inference_steps": 20,
        "guidance_scale": 7.5,
        "strength": 0.8,
        "solver": "ddim",
    },
    "seed": 7,
    "index": 2,
    "size": [64, 48],
    "model": {"name": "still-life: small, latent", "sha256": "0123456789abcdef"},
    "environment": {"scumble": "0.1.0", "device": "cpu"},
    "input": {"name": "in.png", "sha256": "ab"},
}


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_the_recipe_survives_saving_and_reading(tmp_path: Path, name: str) -> None:
    save_image(Image.new("RGB", (5, 5)), tmp_path / name, embed(RECIPE))
    assert read_metadata(tmp_path / name) == RECIPE
    assert read_texts(tmp_path / name)["parameters"] == parameters_text(RECIPE)


def test_the_parameters_text_has_the_form_that_other_programs_read() -> None:
    assert parameters_text(RECIPE) == (
        "ein Käfer, 夜\nand a second line\nNegative prompt: blurry\n"
        "Steps: 20, Sampler: ddim, CFG scale: 7.5, Seed: 9, Size: 64x48, Denoising strength: 0.8, "
        'Model: "still-life: small, latent", Model hash: 0123456789, Method: differential-diffusion, '
        "Version: scumble 0.1.0"
    )
    assert parameters_text({}) == "\n"


def test_a_picture_without_a_recipe_is_an_error(tmp_path: Path) -> None:
    save_image(Image.new("RGB", (5, 5)), tmp_path / "a.png", {"parameters": "of another program"})
    with pytest.raises(InputError, match=r"a\.png carries no recipe"):
        read_metadata(tmp_path / "a.png")
    assert read_texts(tmp_path / "a.png") == {"parameters": "of another program"}
    with pytest.raises(InputError, match="does not exist"):
        read_metadata(tmp_path / "missing.png")


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_a_damaged_recipe_is_an_error(tmp_path: Path, text: str) -> None:
    save_image(Image.new("RGB", (5, 5)), tmp_path / "a.png", {"scumble": text})
    with pytest.raises(InputError, match="damaged"):
        read_metadata(tmp_path / "a.png")


def test_a_damaged_sidecar_is_an_error(tmp_path: Path) -> None:
    save_image(Image.new("RGB", (5, 5)), tmp_path / "a.jpg", embed(RECIPE))
    sidecar_path(tmp_path / "a.jpg").write_text("{")
    with pytest.raises(InputError, match=r"a\.jpg\.json is damaged"):
        read_metadata(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "path",
    [
        "/home/anna/cat.png",
        "/model",
        "/My Pictures/cat.png",
        "~/cat.png",
        "~anna/cat.png",
        "C:\\Users\\anna\\cat.png",
        "d:/cat.png",
        "\\\\server\\share\\cat.png",
        "file:///home/anna/cat.png",
        "loaded from /home/anna/model",
        "model='/srv/models/sd15'",
        "at C:\\models\\sd15",
        PurePosixPath("/home/anna/cat.png"),
    ],
)
def test_absolute_paths_are_refused_wherever_they_are(path: Any) -> None:
    for recipe in ({"model": {"name": path}}, {"list": [0, [path]]}, {str(path): 1}, {"prompts": [{"file": path}]}):
        with pytest.raises(InputError, match="absolute path"):
            refuse_absolute_paths(recipe)
    with pytest.raises(InputError, match=r"recipe\.model\.name is an absolute path"):
        embed({"model": {"name": str(path)}})


@pytest.mark.parametrize(
    "text",
    ["cat.png", "stabilityai/stable-diffusion-2", "models/cat.png", "and/or", "1/2", "/", "ratio 16:9", "https://a.b/c",
     "a: b", "50 / 50", "e-5/x"],
)  # fmt: skip
def test_what_only_looks_a_little_like_a_path_is_taken(text: str) -> None:
    recipe = {"name": text, "list": [text]}
    assert json.loads(embed(recipe)["scumble"]) == recipe


def test_a_prompt_may_begin_as_it_likes() -> None:
    recipe = {"parameters": {"prompt": "/imagine/ a red cube", "negative_prompt": "~/x", "labels": ["/a/b"]}}
    assert json.loads(embed(recipe)["scumble"]) == recipe


def test_of_files_the_names_alone_are_recorded() -> None:
    given = {
        "clip": "/home/ada/clips/small", "directions": ["snow", "/tmp/frost.safetensors"], "prompt": "/imagine a cat",
        "references": [{"image": "/home/ada/cat.png", "words": {"cat": "dog"}, "weight": 1.0}], "start": None,
    }  # fmt: skip
    found = without_folders(given)
    assert found == {
        "clip": "small", "directions": ["snow", "frost.safetensors"], "prompt": "/imagine a cat",
        "references": [{"image": "cat.png", "words": {"cat": "dog"}, "weight": 1.0}], "start": None,
    }  # fmt: skip
    refuse_absolute_paths(found)
