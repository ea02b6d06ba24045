from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scumble.cli import main

TINY = str(Path(__file__).parent.parent / "reference" / "tiny-sd")
QUICK = ["--steps", "4", "--iterations", "2", "--inversion-iterations", "1", "--model", TINY]


@pytest.fixture
def there(tmp_path: Path, picture: Image.Image) -> Path:
    picture.save(tmp_path / "in.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[8:56, 8:48] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def test_a_drag_writes_picture_film_and_arrival(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["drag", str(there / "in.png"), "--from", "20,30", "--to", "30,30", "--from", "40,40", "--to", "40,30"]
    out, film = there / "out.png", there / "way.gif"
    main([*words, *QUICK, "--mask", str(there / "mask.png"), "-o", str(out), "--animation", str(film)])
    said = capsys.readouterr()
    assert said.out.split() == [str(out), str(film)]
    assert "point 1: " in said.err
    assert "point 2: " in said.err
    with Image.open(out) as made:
        recipe = json.loads(made.info["scumble"])
    assert recipe["method"] == "drag-noise"
    assert recipe["parameters"]["points"] == [[20, 30, 30, 30], [40, 40, 40, 30]]
    assert "arrival_error" in recipe["report"]["points"][0]
    main(["redo", str(out), "--model", TINY])
    assert "largest pixel difference: 0 of 255" in capsys.readouterr().out


def test_a_preview_by_the_warp(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["drag", str(there / "in.png"), "--from", "20,30", "--to", "30,30", "--method", "warp", "--preview"]
    main([*words, "--model", TINY, "-o", str(there / "out.png")])
    assert "0 network calls" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "1,2", "--from", "3,4", "--to", "3,4"], "2 points to drag from, but 1"),
        ([], "no points were given: say where to drag with --from x,y --to x,y"),
        (["--from", "1,2"], "1 points to drag from, but 0 to drag to"),
        (["--from", "nan,2", "--to", "3,3"], "both numbers must be finite"),
        (["--from", "here", "--to", "3,4"], "--from 'here' is no point"),
        (["--from", "1,2", "--to", "1,2"], "goes from (1, 2) to the same place"),
        (["--from", "1,2", "--to", "1,200"], "outside the picture"),
        (["--from", "31", "42", "--to", "60", "42"], "x,y with a comma and without a space: --from 31,42"),
        (["--from", "1,2", "--to", "9,2", "--method", "sdedit"], "sdedit drags no points"),
        (["--from", "1,2", "--to", "9,2", "--animation", "x.jpg"], "unknown extension"),
        (["--from", "1,2", "--to", "9,2", "--method", "warp", "--animation", "x.gif"], "nothing to animate"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], said: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["drag", str(there / "in.png"), *words, "--model", TINY, "-o", str(there / "out.png")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (there / "out.png").exists()
