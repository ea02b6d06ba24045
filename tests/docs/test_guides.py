"""Every command of the guides works as it stands there; what cannot run says why, and there is little of it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from scumble.cli import main

GUIDES = sorted((Path(__file__).parents[2] / "docs" / "guides").glob("*.md"))
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL)
MOST_NOT_RUN = 10


def commands(page: Path) -> list[list[str]]:
    """The commands of the blocks that carry no mark."""
    blocks = [match for match in BLOCK.finditer(page.read_text(encoding="utf-8")) if not match["reason"]]
    assert all(match["language"] == "bash" for match in blocks), f"{page.name}: run it, or say why it cannot"
    return [shlex.split(line) for match in blocks for line in match["code"].splitlines() if line.strip()]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_command_runs_and_leaves_its_file(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = commands(page)
    assert lines, page.name
    for words in lines:
        assert words[0] == "scumble", words
        main(words[1:])
        if "-o" in words:
            made = Path(words[words.index("-o") + 1])
            names = [made, made.with_name(f"{made.stem}-0{made.suffix}")]
            assert any(name.exists() for name in names), words
        if words[1] == "redo":
            assert "largest pixel difference: 0 of 255" in capsys.readouterr().out


def test_few_blocks_cannot_run_and_each_says_why() -> None:
    marked = [match["reason"] for page in GUIDES for match in BLOCK.finditer(page.read_text()) if match["reason"]]
    assert all(len(reason.split()) >= 3 for reason in marked), marked
    assert len(marked) <= MOST_NOT_RUN
