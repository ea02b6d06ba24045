"""The report as a Markdown page with a few pictures in a folder beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scumble_lab.bench.report.sections import Section
from scumble_lab.bench.report.tables import markdown

__all__ = ["text"]


def text(heading: str, opening: Sequence[str], notices: Sequence[str], parts: Sequence[Section]) -> str:
    """Return the page; its pictures are `pictures/<key>.svg` for plots and `pictures/<key>.webp` for grids."""
    lines = [f"# {heading}", *opening]
    if notices:
        lines.append("\n".join(f"- {notice}" for notice in notices))
    for part in parts:
        lines += _part(part)
    return "\n\n".join(line.strip("\n") for line in lines) + "\n"


def _part(part: Section) -> Iterator[str]:
    yield f"## {part.title}"
    if part.says:
        yield f"{part.says} [{part.beside}]({part.beside})." if part.beside else part.says
    if part.folded:
        yield "<details><summary>Show</summary>"
    for table in part.tables:
        if table.rows:
            yield markdown(table)
    for plot in part.plots:
        yield f"![{plot.key}](pictures/{plot.key}.svg)\n\n{plot.says}"
    for grid in part.grids:
        yield f"### {grid.title}\n\n![{grid.title}](pictures/{grid.key}.webp)"
    if part.folded:
        yield "</details>"
