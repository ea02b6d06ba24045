"""Help that fits on a page, examples that parse, and nothing heavy imported for any of it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scumble.cli import COMMANDS, main
from scumble.cli.first_help import EXAMPLES, FIRST

FLAG = re.compile(r"^│ (?:\*? *)(?:[A-Z]+ )?(--[\w-]+)", re.MULTILINE)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main([*words])
    return capsys.readouterr().out


@pytest.mark.parametrize("command", sorted(FIRST))
def test_help_shows_about_ten_flags_and_help_all_all_of_them(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, whole = shown(capsys, command, "--help"), shown(capsys, command, "--help-all")
    assert 6 <= len(FLAG.findall(first)) <= 12
    assert len(FLAG.findall(whole)) > len(FLAG.findall(first))
    assert "--help-all" in first and "Example: scumble" in first and "Example: scumble" in whole
    assert all(flag in whole for flag in FLAG.findall(first))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_example_of_every_command_has_only_flags_that_it_has(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(EXAMPLES[command])
    assert words[:2] == ["scumble", command]
    group = words[2:3] if command in ("analyse", "bench", "map", "train", "world") else []
    whole = shown(capsys, command, *group, "--help-all").partition("Example:")[0]
    for word in words[2:]:
        if word.startswith("-"):
            assert re.search(rf"{word}\b", whole), word


LIGHT = (
    ["--help"],
    ["methods"],
    ["methods", "sdedit"],
    ["frobnicate"],
    ["edit", "--help"],
    ["drag", "--help-all"],
    ["edit", "in.png", "--stepz", "3"],
    ["edit", "in.png", "--strength", "7", "--method", "sdedit"],
    ["edit", "in.png", "a red cube"],
    ["edit", "in.png", "--method", "diferential"],
    ["drag", "in.png", "--from", "1"],
    ["generate", "--width", "wide"],
    ["batch", "list.jsonl"],
    ["redo"],
    ["redo", "out.png", "--seed", "1"],
    ["invert", "in.png", "--skip", "much"],
    ["map", "--help"],
    ["world", "--help"],
    ["world", "render", "--help"],
    ["world", "sheet", "--count", "x"],
    ["train", "--help"],
    ["train", "latent", "--help"],
    ["train", "asyrp", "--help"],
    ["train", "latent", "--minutes", "x"],
    ["map", "ellipse", "--soft", "x"],
    ["info", "missing.png"],
)


def test_help_lists_and_argument_errors_load_no_torch(tmp_path: Path) -> None:
    """All in one process: what none of them imports, each of them does not."""
    code = (
        "import sys, scumble.cli as c\n"
        f"for words in {LIGHT!r}:\n"
        "    try: c.main(words)\n"
        "    except SystemExit: pass\n"
        "    heavy = {'torch', 'diffusers', 'transformers', 'scipy'} & set(sys.modules)\n"
        "    assert not heavy, (words, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr


def test_a_typo_of_a_command_gets_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["edti", "in.png"])
    assert "did you mean edit" in capsys.readouterr().err
