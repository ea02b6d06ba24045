"""Fill the tables of measured figures into the pages, each from its file: a figure is typed in one place alone.

Usage: ``python docs/tables.py [--check]``. Between ``<!-- figures: NAME -->`` and ``<!-- until here -->`` a page has
what ``docs/figures-data/NAME.json`` gives: a run's own rows (``rows``), means of the report's files (``csv``), or what
follows from stated assumptions (``assume``). ``--check`` writes nothing and names the pages that would change.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from extrapolated import million_pictures
from from_report import means

from scumble.files import atomic_write

DOCS = Path(__file__).parent
ROOT = DOCS.parent
DATA = DOCS / "figures-data"
BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- until here -->)", re.DOTALL)
FIGURE = re.compile(r"[-−–]?[\d.,]*( ?(%|dB|MB|of \d+|days|h|\+ \d+))*( \[.*\])?")
STATED = ("about", "date", "machine", "weights", "command")
"""What the file of a run states beside its rows."""
Table = tuple[list[str], list[list[str]]]


def pages() -> list[Path]:
    """Pages that may hold tables: those beside ``docs`` and those in it that are written by hand."""
    made = ("report", "figures", "pictures", "static")
    written = [page for page in sorted(DOCS.rglob("*.md")) if page.relative_to(DOCS).parts[0] not in made]
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *written]


def filled(text: str) -> str:
    """The page with each table as its file gives it."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{table(block[2])}\n\n{block[3]}", text)


def table(name: str) -> str:
    """A file's table, and a line on where its figures come from.

    Raises:
        SystemExit: if the file is missing or states less than it must.
    """
    path = DATA / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"there is no {path}")
    given = json.loads(path.read_text(encoding="utf-8"))
    kind = next((kind for kind in WRITERS if kind in given), None)
    if kind is None:
        raise SystemExit(f"{path} has none of {', '.join(WRITERS)}")
    (head, rows), from_where = WRITERS[kind](given)
    lines = [head, ["---", *["---:" if numeric([row[k] for row in rows]) else "---" for k in range(1, len(head))]]]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in [*lines, *rows]), "", f"*{from_where}*"])


def numeric(column: list[str]) -> bool:
    """Whether a column holds figures, which stand right."""
    return all(FIGURE.fullmatch(cell) for cell in column)


def of_run(given: dict[str, Any]) -> tuple[Table, str]:
    """Rows that a run gave, as they are; date, machine, weights and command below."""
    missing = [name for name in STATED if not given.get(name)]
    if missing or any(len(row) != len(given["columns"]) for row in given["rows"]):
        raise SystemExit(f"a run's file needs {', '.join(STATED)} and rows as long as its columns: {given['about']}")
    about, date, machine, weights, command = (given[name] for name in STATED)
    return (given["columns"], given["rows"]), f"{about} {date}, {machine}; {weights}; `{command}`."


def of_report(given: dict[str, Any]) -> tuple[Table, str]:
    """Means over one of the report's files."""
    return means(DOCS / given["csv"], given), f"{given['about']} From `docs/{given['csv']}`."


def of_assumptions(given: dict[str, Any]) -> tuple[Table, str]:
    """What follows from assumptions by the page's formula."""
    return million_pictures(**given["assume"]), str(given["about"]).format(**given["assume"])


WRITERS: dict[str, Callable[[dict[str, Any]], tuple[Table, str]]] = {
    "rows": of_run,
    "csv": of_report,
    "assume": of_assumptions,
}


def stale() -> Iterator[tuple[Path, str]]:
    """Pages whose tables are not what the files give, and what they should be."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (now := filled(text)) != text:
            yield page, now


if __name__ == "__main__":
    changed = list(stale())
    for page, text in changed:
        print(page.relative_to(ROOT), file=sys.stderr)
        if "--check" not in sys.argv:
            with atomic_write(page) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
    sys.exit(1 if changed and "--check" in sys.argv else 0)
