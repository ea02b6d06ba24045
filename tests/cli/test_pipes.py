"""Pictures through pipes: ``-`` for stdin and stdout, messages on stderr alone."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.cli import main
from scumble.cli.pipes import with_streams

MODEL = str(Path(__file__).parent.parent / "reference" / "tiny-sd")
QUICK = ("--model", MODEL, "--steps", "2", "--seed", "5")


class Stream(io.TextIOWrapper):
    """A standard stream in memory that may call itself a terminal."""

    def __init__(self, content: bytes = b"", terminal: bool = False) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a command with bytes on stdin; return what it wrote to stdout."""
    monkeypatch.chdir(tmp_path)

    def run(content: bytes, *words: str) -> bytes:
        out = Stream()
        monkeypatch.setattr(sys, "stdin", Stream(content))
        monkeypatch.setattr(sys, "stdout", out)
        main([*words])
        out.flush()
        return out.buffer.getvalue()  # type: ignore[attr-defined, no-any-return]

    return run


def png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def recipe_of(image: Image.Image) -> Any:
    return json.loads(image.info["scumble"])


def test_a_picture_through_a_pipe_is_the_picture_of_files(
    piped: Any, picture: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture.save("in.png")
    words = ("--method", "sdedit", "--prompt", "a house", *QUICK)
    sent = piped(png(picture), "edit", "-", *words, "-o", "-")
    assert "network calls" in capsys.readouterr().err
    piped(b"", "edit", "in.png", *words, "-o", "out.png")
    through, stored = Image.open(io.BytesIO(sent)), Image.open("out.png")
    assert np.array_equal(np.asarray(through), np.asarray(stored))
    assert (
        json.loads(through.info["scumble"])["input"]["sha256"] == json.loads(stored.info["scumble"])["input"]["sha256"]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.png"]
    shown = piped(sent, "info", "-", "--json")
    assert json.loads(shown)["parameters"]["prompt"] == "a house"


def test_other_commands_read_and_write_pipes_too(piped: Any, picture: Image.Image) -> None:
    drawn = piped(b"", "generate", "--prompt", "a house", *QUICK, "-o", "-")
    assert Image.open(io.BytesIO(drawn)).format == "PNG"
    listed = piped(png(picture), "invert", "-", "--model", MODEL, "--steps", "2", "--seed", "1")
    assert listed.decode().strip() == "stdin.inversion.safetensors"
    wider = piped(png(picture), "extend", "-", "--right", "8", *QUICK, "-o", "-")
    assert Image.open(io.BytesIO(wider)).size == (72, 64)


def test_maps_go_through_pipes(
    piped: Any, picture: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture.save("in.png")
    drawn = piped(png(picture), "map", "box", "8", "8", "40", "40", "--like", "-", "-o", "-")
    assert "map: " in capsys.readouterr().err
    piped(b"", "map", "box", "8", "8", "40", "40", "--like", "in.png", "-o", "box.png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(drawn))), np.asarray(Image.open("box.png")))
    for words in (("blur", "-"), ("levels", "-", "--invert"), ("luminance", "-"), ("combine", "-", "box.png")):
        sent = piped(drawn, "map", *words, "-o", "-")
        named = [word.replace("-", "box.png") if word == "-" else word for word in words]
        piped(b"", "map", *named, "-o", "named.png", "--overwrite")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(sent))), np.asarray(Image.open("named.png"))), words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box.png", "in.png", "named.png"]


def test_maps_that_a_model_makes_go_through_pipes(
    piped: Any, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture.save("in.png")
    for maker in ("depth", "segmentation"):  # these need a model that is not at hand: a picture of theirs is enough
        monkeypatch.setattr(f"scumble.maps.{maker}", lambda file, *_, **__: Image.open(file).convert("L"))
    # words and difference look once each; what they find on a tiny network is nothing to be judged
    words = (
        ("words", "-", "a", "--source-prompt", "a b", "--soft", "--model", MODEL),
        ("difference", "-", "--source-prompt", "a b", "--prompt", "a c", "--soft", "--model", MODEL),
        ("depth", "-"),
        ("segments", "-", "cat"),
    )
    for one in words:
        sent = piped(png(picture), "map", *one, "-o", "-")
        piped(b"", "map", *("in.png" if word == "-" else word for word in one), "-o", "named.png", "--overwrite")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(sent))), np.asarray(Image.open("named.png"))), one


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("edit", "-", "-o", "-", "--json"), "both write to stdout"),
        (("edit", "-", "-o", "-", "--count", "2"), "one picture, not 2"),
        (("edit", "-", "-o", "-"), "into the terminal"),
        (("map", "box", "1", "1", "9", "9", "--size", "9x9", "-o", "-"), "into the terminal"),
        (("edit", "-", "-o", "x.png"), "is a terminal"),
    ],
)
def test_what_pipes_cannot_do_is_one_line(
    words: tuple[str, ...], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Stream(terminal=True))
    monkeypatch.setattr(sys, "stdout", Stream(terminal=True))
    with pytest.raises(SystemExit) as stop:
        main([*words])
    assert stop.value.code == 2
    if "--json" not in words:
        assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_only_a_dash_alone_is_a_stream() -> None:
    assert with_streams(["-", "-o", "-"]) == ["stdin:", "-o", "stdout:"]
    assert with_streams(["-o=-", "--output=-", "a-b", "--x", "-1"])[:2] == ["--output=stdout:"] * 2
