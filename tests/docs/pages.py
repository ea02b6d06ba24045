"""The pages of the documentation and their blocks; how a command on a page is run."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scumble.cli import main
from tests.docs.stand_ins import here, short

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"<!-- not run: ([^>]+) -->")
RUNS = ("bash", "python")
READS = ("", "json", "text", "csv", "yaml", "toml")
"""Languages of blocks that show something and are not for running; a command in one of them is a mistake."""
COMMAND = re.compile(r"^\s*(scumble|python|pip|make|ray|curl|git|torchrun) \S", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes:
        language: What stands behind the fence.
        code: What is in it.
        reason: Why it is not run, where that is stated.
    """

    language: str
    code: str
    reason: str | None


def pages() -> list[Path]:
    """README, CONTRIBUTING, and every page that is written by hand."""
    made = ("report", "figures", "pictures", "static")
    docs = ROOT / "docs"
    written = [path for path in sorted(docs.rglob("*.md")) if path.relative_to(docs).parts[0] not in made]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def blocks(page: Path) -> Iterator[Block]:
    """The page's blocks in their order; those of the site's own directives are left out."""
    language: str | None = None
    reason: str | None = None
    code: list[str] = []
    before = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("```"):
            code.append(line)
        elif language is None:
            mark = MARK.fullmatch(before)
            language, reason, code = line[3:].strip(), mark and mark[1], []
        else:
            if not language.startswith("{"):
                yield Block(language, "\n".join(code) + "\n", reason)
            language = None
        before = line
    assert language is None, f"{page.name}: a block is not closed"


def run_page(page: Path, checkpoint: Path) -> int:
    """Run all blocks of a page, in order, in the current folder; returns how many ran.

    Args:
        page: The page.
        checkpoint: A tiny model's folder, in place of any checkpoint that the page names.
    """
    names: dict[str, Any] = {"__name__": "page"}
    ran = 0
    for block in blocks(page):
        code = here(block.code, checkpoint)
        if block.reason is None and block.language == "python":
            exec(compile(code, str(page), "exec"), names)
            ran += 1
        elif block.reason is None and block.language == "bash":
            for line in code.replace("\\\n", " ").splitlines():
                run_line(shlex.split(line, comments=True), page)
            ran += 1
    return ran


def run_line(words: list[str], page: Path) -> None:
    """Run one command as a person would type it, and look for what it leaves."""
    if not words:
        return
    if words[0] == "make":
        rules = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{re.escape(rule)}:", rules, re.MULTILINE) for rule in words[1:] if "=" not in rule), (
            words
        )
    elif words[:2] == ["pip", "install"]:
        for extra in re.findall(r"\[([\w,-]+)\]", " ".join(words)):
            assert all(f"\n{name} = [" in (ROOT / "pyproject.toml").read_text() for name in extra.split(",")), words
    elif words[0] == "python" and words[1].endswith(".py"):
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    else:
        assert words[0] == "scumble", (page.name, words)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            main(short(words)[1:])
        if words[1] == "redo":
            assert "largest pixel difference: 0 of 255" in printed.getvalue(), printed.getvalue()
        if "-o" in words and words[1] != "batch":
            made = Path(words[words.index("-o") + 1])
            names = [made, made.with_name(f"{made.stem}-0{made.suffix}")]
            assert any(name.exists() for name in names), (page.name, words)
