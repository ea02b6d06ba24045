"""Every command and every line of Python in the README works as it stands there, on the bundled weights."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from scumble.cli import main
from tests.docs.pages import ROOT, blocks

README = ROOT / "README.md"


def test_every_command_and_the_python_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = [block for block in blocks(README) if block.reason is None]
    commands = [line for block in run if block.language == "bash" for line in block.code.splitlines()]
    assert len(commands) >= 7
    for line in commands:
        words = shlex.split(line)
        assert words[0] == "scumble"
        main(words[1:])
        if words[1] == "redo":
            assert "largest pixel difference: 0 of 255" in capsys.readouterr().out
    (python,) = [block.code for block in run if block.language == "python"]
    exec(compile(python, "README", "exec"), {})
    for name in ("out.png", "blue.png", "grass-1.png"):
        assert (tmp_path / name).exists(), name


def test_the_first_picture_stands_on_the_first_screen() -> None:
    before = README.read_text(encoding="utf-8").partition("![")[0]
    assert len(before.splitlines()) <= 25
