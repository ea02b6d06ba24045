"""The command line's pages: what ``--help-all`` prints of each command, as tables."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator

WIDE = "2000"
"""Columns at which no line of a help text is broken."""
PANEL = re.compile(r"^╭─ (.+?) ─*╮\n((?:│.*\n)*)╰─*╯$", re.MULTILINE)


def commands() -> list[list[str]]:
    """The words of every command and of its own commands."""
    from scumble.cli import COMMANDS, make_app

    app = make_app()
    below = {command: [name for name in app[command] if not name.startswith("-")] for command in COMMANDS}
    return [[command, *name] for command in COMMANDS for name in ([], *([name] for name in below[command]))]


def command_page(command: str) -> str:
    """The page of a command and of those below it."""
    parts = [f"# scumble {command}", *help_as_tables([command])]
    for words in commands():
        if words[0] == command and len(words) > 1:
            parts += [f"## scumble {' '.join(words)}", *help_as_tables(words)]
    return "\n\n".join(parts) + "\n"


def help_as_tables(words: list[str]) -> Iterator[str]:
    """A command's usage and text, then a table for each of its panels."""
    text = help_of(words)
    usage, _, about = PANEL.sub("", text).strip().partition("\n")
    yield f"`{usage.removeprefix('Usage: ').strip()}`"
    for paragraph in filter(None, (" ".join(lines.split()) for lines in re.split(r"\n\s*\n", about))):
        kind, _, example = paragraph.partition("Example: ")
        yield f"```bash\n{example}\n```" if example and not kind else plain(paragraph)
    for title, body in PANEL.findall(text):
        rows = [line.strip("│").strip() for line in body.splitlines()]
        entries = [entry(row) for row in rows if row.strip() and not row.startswith("--help")]
        if entries:
            yield f"**{title}**"
            yield "\n".join(["| | meaning |", "|---|---|", *entries])


def entry(row: str) -> str:
    """One flag, argument or command with its meaning as a line of a table."""
    name, _, meaning = row.removeprefix("*").strip().partition("  ")
    meaning = re.sub(r"\[required\]", "Required.", meaning.strip())
    meaning = re.sub(r"\[default: (.*?)\](?= \[|$| Req)", r"Default: `\1`.", meaning)
    meaning = re.sub(r"\[choices: (.*?)\]", lambda m: f"One of `{m[1].replace(', ', '`, `')}`.", meaning)
    return f"| `{name}` | {plain(meaning)} |".replace("|-", "\\|-")


def plain(text: str) -> str:
    """Text whose flags are code, and whose signs mean nothing to Markdown elsewhere."""
    parts = re.split(r"(`[^`]*`)", re.sub(r"(?<![\w`-])--[a-z][\w-]*", r"`\g<0>`", text))
    return "".join(part if k % 2 else re.sub(r"([*<>_|\[\]{}$])", r"\\\1", part) for k, part in enumerate(parts))


def help_of(words: list[str]) -> str:
    """What a command prints as its help, every paragraph and flag on one line."""
    from scumble.cli import main

    text, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDE
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            main([*words, "--help-all"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return text.getvalue()
