from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from scumble.cli import main
from scumble.editing.editor import Editor
from scumble.errors import InputError, MethodError
from scumble_lab.analysis.features import analyse_features, block_sites

TINY = Path(__file__).parents[2] / "reference" / "tiny-sd"


def test_every_block_is_a_layer(tiny_editor: Editor) -> None:
    names = block_sites(tiny_editor.model.denoiser)
    assert names[0] == "down_blocks.0"
    assert names[4:6] == ("mid_block", "up_blocks.0")
    assert len(names) == 9


def test_a_layer_held_from_the_last_step_on_changes_nothing(tiny_editor: Editor, picture: Image.Image) -> None:
    found = analyse_features(
        tiny_editor, picture, num_inference_steps=6, steps=[1, 5], layers=["mid_block", "up_blocks.3"], iterations=1
    )
    last = [row for row in found.rows if row.step == 1]
    assert [row.layer for row in last] == ["mid_block", "up_blocks.3"]
    assert all(row.rms < 1 for row in last)
    early = {row.layer: row.rms for row in found.rows if row.step == 5}
    assert early["up_blocks.3"] > 1


def test_steps_and_layers_that_are_not_there_are_refused(tiny_editor: Editor, picture: Image.Image) -> None:
    with pytest.raises(InputError, match="1 to 6, not 7"):
        analyse_features(tiny_editor, picture, num_inference_steps=6, steps=[7])
    with pytest.raises(MethodError, match="no module 'mid_blok'"):
        analyse_features(tiny_editor, picture, num_inference_steps=6, steps=[3], layers=["mid_blok"])


def test_the_command_writes_a_table_and_a_picture(tmp_path: Path, picture: Image.Image) -> None:
    picture.save(tmp_path / "in.png")
    words = ["analyse", "features", str(tmp_path / "in.png"), "--model", str(TINY), "--steps", "4", "--step", "3"]
    main([*words, "-o", str(tmp_path / "t.csv"), "--grid", str(tmp_path / "g.png"), "--layer", "mid_block"])
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert [(row["layer"], row["step"]) for row in rows] == [("mid_block", "3")]
    with Image.open(tmp_path / "g.png") as grid:
        assert grid.size[0] > 64


def test_a_table_is_not_written_under_a_pictures_name(
    tmp_path: Path, picture: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    picture.save(tmp_path / "in.png")
    for kind in ("noise", "features"):
        with pytest.raises(SystemExit) as ended:
            main(["analyse", kind, str(tmp_path / "in.png"), "--model", str(TINY), "-o", str(tmp_path / "t.png")])
        assert ended.value.code == 2
    assert "should end in .csv" in capsys.readouterr().err
    assert not (tmp_path / "t.png").exists()
