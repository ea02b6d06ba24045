"""The command line as a person meets it: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scumble.cli import main

MODEL = str(Path(__file__).parent.parent / "reference" / "tiny-sd")


@pytest.fixture
def folder(tmp_path: Path, picture: Image.Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    picture.save("in.png")
    change = np.zeros((64, 64), np.uint8)
    change[:, 30:] = 255
    Image.fromarray(change).save("map.png")
    return tmp_path


def run(*words: str) -> None:
    main([*words])


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*words])
    assert stop.value.code == (3 if "no-such-model" in words else code)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("scumble: ") and told.err.count("\n") == 1, told.err
    return told.err


def test_edit_writes_a_picture_that_redo_makes_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        "edit",
        "in.png",
        "--model",
        MODEL,
        "--map",
        "map.png",
        "-p",
        "a house",
        "--steps",
        "3",
        "--seed",
        "5",
        "-o",
        "o.png",
    )
    told = capsys.readouterr()
    assert told.out.strip() == "o.png"
    assert "53.1 % of the pixels may change" in told.err and "network calls" in told.err
    before, after = np.asarray(Image.open("in.png")), np.asarray(Image.open("o.png"))
    assert (before[:, :30] == after[:, :30]).all() and (before != after).any()
    run("redo", "o.png", "--model", MODEL)
    assert "largest pixel difference: 0 of 255" in capsys.readouterr().out
    run("info", "o.png")
    assert "parameters.prompt: a house" in capsys.readouterr().out


def test_json_holds_outputs_recipes_and_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--method", "sdedit", "--steps", "2", "--strength", "0.5", "--count", "2", "--seed", "1")
    run("edit", "in.png", "--model", MODEL, *words, "--json", "-o", "o.webp")
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"] == ["o-0.webp", "o-1.webp"]
    assert all(Path(name).exists() for name in told["outputs"])
    assert told["recipes"][1]["index"] == 1 and told["recipes"][0]["method"] == "sdedit"
    assert told["cost"]["network_calls"] == 1


def test_generate_and_quiet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", "--model", MODEL, "-p", "a house", "--steps", "2", "--quiet", "-o", "g.png")
    told = capsys.readouterr()
    assert (told.out.strip(), told.err) == ("g.png", "")


def test_no_metadata_leaves_the_picture_bare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", "--model", MODEL, "--steps", "1", "--no-metadata", "-o", "g.png")
    capsys.readouterr()
    assert "recipe" in refused(capsys, "info", "g.png")


def test_methods_lists_names_papers_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    run("methods")
    told = capsys.readouterr().out
    assert "differential-diffusion" in told and "2306.00950" in told and "sdedit" in told
    run("methods", "sdedit")
    assert "--strength = 0.6" in capsys.readouterr().out


def test_help_of_edit_shows_the_flags_of_the_method(capsys: pytest.CaptureFixture[str]) -> None:
    run("edit", "--method", "sdedit", "--help")
    told = capsys.readouterr().out
    assert "--repeats" in told and "--strength" in told and "--seed" in told
    run("edit", "--method", "differential-diffusion", "--help")
    assert "--fresh-noise" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("edit", "none.png"), "none.png"),
        (("edit", "text.png"), "text.png"),
        (("edit", "in.png", "--method", "diferential-difusion"), "did you mean differential-diffusion"),
        (("edit", "in.png", "--method", "sdedit", "--strength", "1.5"), "--strength 1.5"),
        (("edit", "in.png", "--steps", "0"), "--num-inference-steps"),
        (("edit", "in.png", "--stepz", "3"), "--stepz"),
        (("edit", "in.png", "--mask_image", "map.png"), "Write --map"),
        (("edit", "in.png", "--solver", "heun"), "asks the network twice a step"),
        (("edit", "in.png", "--solver", "dpmpp-sde"), "use dpmpp_2m_sde"),
        (("edit", "in.png", "--num_images_per_prompt", "2"), "Write --count"),
        (("edit", "in.png", "--method", "sdedit", "--skip", "0.3"), "is --strength 0.7"),
        (("edit", "in.png", "-p", "caf\udce9"), "no UTF-8 text"),
        (("edit", "in.png", "-o", "x" * 5000 + ".png"), "File name too long"),
        (("edit", "x" * 5000), "File name too long"),
        (("edit", "in.png", "-o", "a\0b.png"), "null byte"),
        (("edit", "in.png", "a red cube"), "Words belong to --prompt"),
        (("edit", "in.png", "in.png", "map.png"), "scumble batch takes several"),
        (("edit", "in.png", "--map", "1.5", "--model", MODEL), "1.5"),
        (("edit", "in.png", "--model", "no-such-model"), "no-such-model"),
        (("edit", "in.png", "--model", "pickled.ckpt"), "pickle"),
        (("edit", "in.png", "--model", "empty"), "model_index.json"),
        (("edit", "in.png", "-o", "nowhere/out.png"), "does not exist"),
        (("edit", "in.png", "-o", "out.bmp"), ".png, .jpg, .webp"),
        (("edit", "in.png", "--map", "tall.png", "--model", MODEL), "64x300"),
        (("edit", "in.png", "--device", "tpu", "--model", MODEL), "tpu"),
        (("edit", "in.png", "--method", "text-to-image"), "scumble generate"),
        (("edit", "in.png", "--method", "self-guidance", "--resize", "cube=2"), "--resize.cube 2"),
        (("edit", "in.png", "--also", 'present {"word": ["cube"]}'), "did you mean words"),
        (("edit", "in.png", "--method", "self-guidance", "--references", "cat.png"), "--references: expected fields"),
        (("edit", "in.png", "--method", "self-guidance", "--references", '{"image": "a.png"}'), "--references"),
        (("redo", "in.png"), "no recipe"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(
    words: tuple[str, ...], expected: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.png").write_text("not a picture")
    Path("pickled.ckpt").write_bytes(b"\x80\x02")
    Path("empty").mkdir()
    Image.new("L", (64, 300)).save("tall.png")
    before = sorted(p.name for p in folder.iterdir())
    loading = expected in ("pickle", "model_index.json")
    assert expected in refused(capsys, *words, code=3 if loading else 2)
    assert sorted(p.name for p in folder.iterdir()) == before


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, scumble.cli; scumble.cli.make_app(); print({'torch', 'diffusers'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run("--help")
    told = capsys.readouterr().out
    assert all(
        name in told for name in ("edit", "generate", "map", "methods", "info", "redo", "demo", "world", "train")
    )


def test_an_interrupted_edit_is_one_line_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scumble.core.loop._step", interrupted)
    assert "interrupted" in refused(capsys, "edit", "in.png", "--model", MODEL, "--steps", "2", "-o", "o.png", code=130)
    assert not Path("o.png").exists()


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (("edit", "missing.png"), "InputError", 2),
        (("edit", "in.png", "--strenght", "1"), "InputError", 2),
        (("edit", "in.png", "--model", "no-such-model"), "CheckpointError", 3),
    ],
)
def test_with_json_an_error_is_json(
    words: tuple[str, ...], kind: str, code: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (stop.value.code, error["code"], error["kind"]) == (code, code, kind)
    assert error["message"]


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "scumble", "frobnicate"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "frobnicate" in done.stderr


def test_a_map_may_be_one_number_and_redo_makes_it_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("edit", "in.png", "--model", MODEL, "--map", "0.5", "--steps", "4", "--seed", "5", "-o", "half.png")
    run("redo", "half.png", "--model", MODEL)
    told = capsys.readouterr()
    assert "difference" in told.out + told.err, told
