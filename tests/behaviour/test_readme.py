"""Every command and every line of Python in the README works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from scumble.cli import main

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_every_command_and_the_python_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]
    assert len(commands) >= 10
    for line in commands:
        words = shlex.split(line)
        assert words[0] == "scumble"
        main(words[1:])
        if words[1] == "redo":
            assert "largest pixel difference: 0 of 255" in capsys.readouterr().out
    (python,) = blocks("python")
    exec(compile(python, "README", "exec"), {})
    for name in ("out.png", "blue.png", "candidate-2.png", "made.png", "night-1.png"):
        assert (tmp_path / name).exists(), name
