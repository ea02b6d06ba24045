"""Replay: a picture carries all that is needed to make it again, and nothing private."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble.editing.redo as replay
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.images import save_image
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.records.metadata import read_metadata


@pytest.fixture
def again(tiny_editor: Editor) -> Any:
    """Redo with the tiny model, which no recipe may load by its name."""
    return partial(replay.redo, editor=tiny_editor)


@pytest.fixture
def folder(tmp_path: Path, tiny_editor: Editor, picture: Image.Image) -> Path:
    picture.save(tmp_path / "in.png")
    change = np.zeros((64, 64), np.uint8)
    change[20:] = 200
    Image.fromarray(change).save(tmp_path / "map.png")
    method = DifferentialDiffusion(prompt="a house", change_map=tmp_path / "map.png", num_inference_steps=3, eta=1.0)
    tiny_editor.edit(tmp_path / "in.png", method, seed=11, count=3).save(tmp_path / "out.png")
    return tmp_path


def test_redo_gives_the_same_bytes_for_every_candidate(folder: Path, again: Any) -> None:
    for k in range(3):
        done = again(folder / f"out-{k}.png")
        assert (done.largest, done.share, done.warnings) == (0, 0.0, [])


def test_redo_finds_renamed_inputs_by_their_hash_and_says_when_they_are_missing(folder: Path, again: Any) -> None:
    (folder / "in.png").rename(folder / "holiday.png")
    (folder / "map.png").rename(folder / "where.png")
    assert again(folder / "out-0.png").largest == 0
    shutil.move(folder / "where.png", folder.parent / "where.png")
    with pytest.raises(InputError, match="--map"):
        again(folder / "out-0.png")
    assert again(folder / "out-0.png", change_map=folder.parent / "where.png").largest == 0
    (folder / "holiday.png").unlink()
    with pytest.raises(InputError, match="--image"):
        again(folder / "out-0.png", change_map=folder.parent / "where.png")


def test_redo_notices_a_picture_that_was_changed_afterwards(folder: Path, again: Any) -> None:
    told = read_metadata(folder / "out-0.png")
    image = np.asarray(Image.open(folder / "out-0.png")).copy()
    image[40, 40] ^= 255
    from scumble.records.metadata import embed

    save_image(Image.fromarray(image), folder / "touched.png", embed(told))
    assert again(folder / "touched.png").largest > 0


def test_the_recipe_names_files_and_never_their_folders(folder: Path, again: Any) -> None:
    text = json.dumps(read_metadata(folder / "out-0.png"))
    assert str(folder) not in text
    assert '"in.png"' in text and '"map.png"' in text


def test_metadata_can_be_left_out(tmp_path: Path, tiny_editor: Editor) -> None:
    result = tiny_editor.generate(TextToImage(num_inference_steps=1), seed=1)
    result.save(tmp_path / "bare.png", metadata=False)
    with pytest.raises(InputError, match="recipe"):
        read_metadata(tmp_path / "bare.png")


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_carry_their_recipe_beside_them(tmp_path: Path, tiny_editor: Editor, suffix: str) -> None:
    result = tiny_editor.generate(TextToImage(num_inference_steps=1), seed=1)
    result.save(tmp_path / f"out{suffix}")
    assert read_metadata(tmp_path / f"out{suffix}")["method"] == "text-to-image"
