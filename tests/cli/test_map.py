"""``scumble map``: every kind from the command line, and one line for every mistake."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scumble import maps
from scumble.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save("in.png")
    maps.box((40, 30), 5, 5, 20, 20).save("mask.png")
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "linear --like in.png --angle 45",
        "radial --size 40x30 --center 10 12 --radius 9 --inner 2",
        "strips --like in.png --count 3 --low 0.2",
        "fan --like in.png --count 6 --start -180 --sweep 180",
        "box 2 3 20 25 --soft 4 --like in.png",
        "ellipse 2 3 20 25 --strength 0.5 --like in.png",
        "blur mask.png --radius 3 --side inside",
        "luminance in.png",
        "levels mask.png --invert --gamma 2 --like in.png",
        "combine mask.png mask.png --how multiply",
    ],
)
def test_every_kind_is_made_at_the_pictures_size(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["map", *shlex.split(line), "-o", "out.png"])
    with Image.open("out.png") as made:
        assert (made.mode, made.size) == ("L", (40, 30))
    assert "% of the pixels may change" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("linear -o out.png", "--like IMAGE or with --size 640x480"),
        ("linear --like in.png --size 4x4 -o out.png", "either"),
        ("linear --size 40 -o out.png", "write it as 640x480"),
        ("linear --size 0x4 -o out.png", "write it as 640x480"),
        ("linear --like nothing.png -o out.png", "nothing.png does not exist"),
        ("linear --like in.png -o nowhere/out.png", "does not exist"),
        ("linear --like in.png -o out.jpg", "must end in .png"),
        ("linear --like in.png", "--output"),
        ("box 1 2 3 --like in.png -o out.png", "--bottom"),
        ("box 9 9 3 3 --like in.png -o out.png", "left must be less"),
        ("blur mask.png --side in -o out.png", "--side"),
        ("combine -o out.png", "no maps"),
        ("depth in.png -o out.png", "needs a model"),
        ("segments in.png cat -o out.png", "needs a model"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["map", *shlex.split(line)])
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and says in told and told.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["in.png", "mask.png"]
