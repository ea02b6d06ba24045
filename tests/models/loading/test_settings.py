"""A folder may name its default settings and share parts with a sibling; it cannot reach anywhere else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import scumble
from scumble.errors import CheckpointError
from scumble.models.loading import load
from scumble.models.loading.settings import FILE


@pytest.fixture
def student(sd_pipe: Any, tmp_path: Path) -> Path:
    """A folder beside its teacher, without the parts that it shares."""
    sd_pipe.save_pretrained(tmp_path / "teacher")
    folder = Path(shutil.copytree(tmp_path / "teacher", tmp_path / "student"))
    for part in ("vae", "text_encoder", "tokenizer"):
        shutil.rmtree(folder / part)
    write(folder, parts=dict.fromkeys(("vae", "text_encoder", "tokenizer"), "teacher"))
    return folder


def write(folder: Path, **contents: Any) -> None:
    (folder / FILE).write_text(json.dumps(contents))


def test_shared_parts_are_those_of_the_sibling(student: Path) -> None:
    one, other = load(student, device="cpu"), load(student.parent / "teacher", device="cpu")
    assert torch.equal(one.embed(["a red cube"]).embeds, other.embed(["a red cube"]).embeds)  # type: ignore[arg-type]
    picture = torch.rand(1, 3, 16, 16)
    assert torch.equal(one.encode(picture), other.encode(picture))
    assert one.defaults == {} == other.defaults


def test_defaults_fill_the_fields_that_nobody_set(student: Path) -> None:
    write(
        student,
        defaults={"num_inference_steps": 4, "guidance_scale": 1.0},
        parts=dict.fromkeys(("vae", "text_encoder", "tokenizer"), "teacher"),
    )
    editor = scumble.Editor.from_pretrained(student, device="cpu")
    given = editor.generate(scumble.TextToImage(prompt="a cube", num_inference_steps=2, width=16, height=16), seed=1)
    assert given.recipe.parameters["num_inference_steps"] == 2
    assert given.recipe.parameters["guidance_scale"] == 1.0
    assert given.cost.forward_rows == 2
    usual = editor.generate(scumble.TextToImage(prompt="a cube", width=16, height=16), seed=1)
    assert usual.recipe.parameters["num_inference_steps"] == 4


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ({"parts": {"vae": "../teacher"}}, "beside"),
        ({"parts": {"vae": "/teacher"}}, "beside"),
        ({"parts": {"vae": "missing"}}, "autoencoder"),
        ({"defaults": {"num_inference_steps": 0}}, "greater than"),
        ({"defaults": {"strength": 0.5}}, "not permitted"),
        (["vae"], "valid"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(student: Path, contents: Any, reason: str) -> None:
    (student / FILE).write_text(json.dumps(contents))
    with pytest.raises(CheckpointError, match=reason) as error:
        load(student, device="cpu")
    assert "\n" not in str(error.value)
