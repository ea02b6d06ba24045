"""Sheets and rendered folders on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scumble.cli.world_commands import render_pictures, sheet
from scumble.errors import InputError, ScumbleError
from scumble_lab.world import Scene, caption, render, sample_scene, truths


def test_sheet_shows_every_scene(tmp_path: Path) -> None:
    sheet(tmp_path / "new" / "sheet.png", count=7, size=32)
    page = Image.open(tmp_path / "new" / "sheet.png")
    assert page.size == (6 * 36, 2 * (36 + 44))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.png"]


def test_rendered_folder_holds_pictures_and_their_truths(tmp_path: Path) -> None:
    render_pictures(tmp_path, count=3, seed=5, size=32)
    assert len(list(tmp_path.iterdir())) == 12
    scene = sample_scene(6)
    record = json.loads((tmp_path / "000006.json").read_text())
    assert record["caption"] == caption(scene)
    assert Scene.from_dict(record["scene"]) == scene
    picture = np.asarray(Image.open(tmp_path / "000006.png"))
    assert np.array_equal(picture, render([scene], 32)[0].permute(1, 2, 0).numpy())
    maps = truths(scene, 32)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "000006.ids.png")), (maps.ids + 1).numpy())
    depth = np.asarray(Image.open(tmp_path / "000006.depth.png")) / 1000
    near = (maps.depth < 60).numpy()
    assert np.allclose(depth[near], maps.depth.numpy()[near], atol=2e-3)


def test_a_folder_that_cannot_be_written_and_an_empty_sheet_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ScumbleError, match="cannot write"):
        render_pictures(tmp_path / "file", count=1, size=16)
    with pytest.raises(InputError, match="at least 1"):
        sheet(tmp_path / "sheet.png", count=0)
