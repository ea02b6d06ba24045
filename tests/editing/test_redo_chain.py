"""A chain of edits, made again from its first picture: no difference anywhere, and a gap is named before it runs."""

from __future__ import annotations

import json
import shutil
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.cli import main
from scumble.editing.editor import Editor
from scumble.editing.redo_chain import redo_chain
from scumble.errors import InputError
from scumble.images import load_image
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion

MODEL = str(Path(__file__).parents[1] / "reference" / "tiny-sd")


@pytest.fixture
def folder(tmp_path: Path, tiny_editor: Editor, picture: Image.Image) -> Path:
    """in.png -> a.png -> b.png -> c.png, each by another map and seed."""
    picture.save(tmp_path / "in.png")
    source = tmp_path / "in.png"
    for k, name in enumerate("abc"):
        change = np.zeros((64, 64), np.uint8)
        change[8 * k :, 16 * k :] = 90 + 50 * k
        Image.fromarray(change).save(tmp_path / f"map-{name}.png")
        method = DifferentialDiffusion(prompt=name, change_map=tmp_path / f"map-{name}.png", num_inference_steps=3)
        (source,) = tiny_editor.edit(source, method, seed=k).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.fixture
def again(tiny_editor: Editor) -> Any:
    return partial(redo_chain, editor=tiny_editor)


def test_a_chain_made_again_differs_nowhere_and_each_edit_is_fed_what_the_one_before_made(
    folder: Path, again: Any
) -> None:
    for name in "abc":
        (folder / f"{name}.png").rename(folder / f"renamed {name}.png")
    done = list(again(folder / "renamed c.png"))
    assert [place.name for place, _ in done] == ["renamed a.png", "renamed b.png", "renamed c.png"]
    assert [(one.largest, one.share, one.warnings) for _, one in done] == [(0, 0.0, [])] * 3
    for (_, before), (_, after) in pairwise(done):
        assert load_image(before.image).sha256 == (after.recipe.input or {})["sha256"] == after.recipe.parent


def test_what_a_studio_keeps_by_hash_is_found(folder: Path, again: Any) -> None:
    for k, name in enumerate(["in", "map-a", "map-b", "map-c"]):
        place = folder / ".scumble" / ("maps" if k else "pictures") / f"{k:064}"
        place.mkdir(parents=True)
        shutil.move(folder / f"{name}.png", place / "map.png" if k else place / "in.png")
    assert [one.largest for _, one in again(folder / "c.png")] == [0, 0, 0]


def test_a_picture_in_the_chain_that_was_touched_is_a_gap_that_is_named_before_anything_runs(
    folder: Path, again: Any
) -> None:
    shutil.move(folder / "b.png", folder.parent / "b.png")
    with pytest.raises(InputError, match=r"'b\.png', from which c\.png was made.*--inputs"):
        next(again(folder / "c.png"))
    assert [one.largest for _, one in again(folder / "c.png", inputs=[folder.parent])] == [0, 0, 0]
    Image.open(folder.parent / "b.png").convert("RGB").save(folder / "b.png")  # its pixels, without its recipe
    with pytest.raises(InputError, match="lost its recipe"):
        next(again(folder / "c.png"))


def test_an_edit_that_changed_nothing_is_a_link_and_no_loop(folder: Path, again: Any, tiny_editor: Editor) -> None:
    nothing = DifferentialDiffusion(prompt="x", change_map=0.0, num_inference_steps=2)
    (same,) = tiny_editor.edit(folder / "c.png", nothing, seed=5).save(folder / "same.png")
    done = list(again(same))
    assert [place.name for place, _ in done] == ["a.png", "b.png", "c.png", "same.png"]
    assert [one.largest for _, one in done] == [0, 0, 0, 0]


def test_the_command_says_each_edit_and_the_whole_and_refuses_what_is_of_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = str(folder / "c.png")
    main(["redo", last, "--chain", "--model", MODEL, "-o", str(folder / "again.png")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["a.png", "b.png", "c.png", "chain of 3"]
    assert all("largest pixel difference: 0 of 255" in line for line in lines)
    assert (np.asarray(Image.open(folder / "again.png")) == np.asarray(Image.open(last))).all()
    main(["redo", last, "--chain", "--model", MODEL, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["largest"] == 0 and [one["picture"] for one in said["edits"]] == ["a.png", "b.png", "c.png"]
    with pytest.raises(SystemExit):
        main(["redo", last, "--chain", "--image", last])
    assert "--inputs" in capsys.readouterr().err
