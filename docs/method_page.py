"""The part of a method's page that is made: its picture, what it needs, its cost, its figures, every parameter."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from field_table import cells

from scumble.cli.flags import SHORT
from scumble.methods.base import FromSeed, ImageMethod, Prompted, Sampled
from scumble.methods.method import Method
from scumble.methods.registry import ALIASES, method_class

DOCS = Path(__file__).parent
SHARED = (Method, Prompted, Sampled, ImageMethod, FromSeed)
"""Classes whose fields many methods have: their fields stand last on a method's page."""


def method_page(name: str) -> str:
    """The hand-written page of a method, with the picture after its first paragraph and the rest at its end."""
    title, first, rest = (DOCS / "method" / f"{name}.md").read_text(encoding="utf-8").split("\n\n", 2)
    parts = [title, first, *picture(name), rest.rstrip(), *facts(name), *cost(name), *measured(name)]
    return "\n\n".join([*parts, *parameters(name)]) + "\n"


def picture(name: str) -> Iterator[str]:
    """What ``docs/pictures.py`` made of the page's commands, if it has."""
    if (DOCS / "pictures" / f"{name}.jpg").exists():
        mapped = "-o map.png" in (DOCS / "method" / f"{name}.md").read_text(encoding="utf-8")
        shows = "three results" if name == "text-to-image" else "before, map, after" if mapped else "before, after"
        yield f"![{shows}](../pictures/{name}.jpg)\n\n*Made by the commands below: {shows}.*"


def facts(name: str) -> Iterator[str]:
    """Paper, names, and what a method needs and takes, from its traits."""
    method = method_class(name)
    others = [alias for alias, meant in ALIASES.items() if meant == name]
    lines = [f"- Paper: {method.paper}.", *(f"- {fact}" for fact in traits(method))]
    lines += [f"- Also called {', '.join(f'`{alias}`' for alias in others)}."] if others else []
    call = "generate" if name == "text-to-image" else f"edit --method {name}"
    lines += [f"- On the command line `scumble {call} --help`, in Python `scumble.{method.__name__}(…)`."]
    yield "## What it needs"
    yield "\n".join(lines)


def traits(method: type[Method]) -> Iterator[str]:
    """One sentence for each trait."""
    if issubclass(method, ImageMethod):
        yield "Edits a picture, and takes a change map: pixels under black keep their bytes."
    if not method.takes_image:
        yield "Makes a picture from the seed, without one given."
    elif method.image_optional:
        yield "Without a picture it makes its own, from the seed."
    if method.takes_inversion:
        yield "Can start from a file that `scumble invert` made."
    if method.needs_text:
        yield "Needs a model that understands words."
    if method.takes_instructions:
        yield "Needs a model that edits by instruction."
    if method.tileable:
        yield "Works in tiles on large pictures (`--tiles`)."


def cost(name: str) -> Iterator[str]:
    """What ``--plan`` says of the page's edit, as ``docs/pictures.py`` noted it."""
    spent = json.loads((DOCS / "pictures" / "costs.json").read_text(encoding="utf-8")).get(name)
    if spent:
        yield "## Cost"
        yield (
            f"What `--plan` says of the command above: {spent['plan']}{per_step(**spent)}."
            " A row is one picture through the network once."
        )


def per_step(plan: str, steps: int | None, count: int = 1) -> str:
    """Rows for each step and candidate, where all are known."""
    rows = re.search(r"(\d+) forward rows", plan)
    if not steps or not rows or int(rows[1]) == 0:
        return ""
    of = f" and {count} candidates" if count > 1 else ""
    return f". With {steps} steps{of} that is at most {int(rows[1]) / steps / count:.1f} rows a step"


def measured(name: str) -> Iterator[str]:
    """Success and what is kept in the benchmark, from the report's own file."""
    with (DOCS / "report" / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["editor"] == name and not row["error"]]
    if not rows:
        return
    tasks = sorted({row["task"] for row in rows})
    figures = ("success", "kept", "psnr_out", "forward_rows", "backward_rows")
    success, kept, psnr, forward, backward = (mean([row[figure] for row in rows]) for figure in figures)
    rows_text = f"{forward:.0f}" + (f" + {backward:.0f}" if backward else "")
    yield "## Measured"
    yield (
        f"{len(rows)} edits with known truth ({', '.join(tasks)}): success {100 * success:.0f} %, other things kept"
        f" {100 * kept:.0f} %, PSNR of the rest {psnr:.1f} dB, rows {rows_text}."
        " [The report](../report/report.md) has the intervals, and the others beside it."
    )


def mean(values: list[str]) -> float:
    """Mean of what is there; nan where nothing is."""
    numbers = [float(value) for value in values if value]
    return sum(numbers) / len(numbers) if numbers else float("nan")


def parameters(name: str) -> Iterator[str]:
    """Every field with its default, range and meaning."""
    method = method_class(name)
    shared = {field for base in SHARED if issubclass(method, base) for field in base.model_fields}
    for title, fields in (
        ("Its own parameters", [field for field in method.model_fields if field not in shared]),
        ("Parameters it shares with others", [field for field in method.model_fields if field in shared]),
    ):
        if fields:
            rows = [row(field, method.model_fields[field]) for field in fields]
            yield f"## {title}"
            yield "\n".join(["| flag | default | range | meaning |", "|---|---|---|---|", *rows])
    yield "[Which method for what](../methods.md) compares them."


def row(name: str, field: Any) -> str:
    """One field as a line of the table."""
    flags = ", ".join(f"`{flag}`" for flag in SHORT.get(name, [f"--{name.replace('_', '-')}"]))
    return cells(flags, field)
