"""The report: one self-contained HTML page, one Markdown page with a few pictures, all scores as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from scumble.evaluation.collect import collect, csv_text
from scumble.evaluation.folder import Benchmark
from scumble.evaluation.judges import Judges
from scumble.evaluation.report.drawing import drawn
from scumble.evaluation.report.page import page
from scumble.evaluation.report.sections import Section, opening, sections
from scumble.evaluation.report.text import text
from scumble.evaluation.verdicts import read_verdicts
from scumble.images import save_image, written_whole

__all__ = ["write_report"]


def write_report(
    benchmark: Benchmark,
    judges: Judges,
    output: Path,
    names: Sequence[str] | None = None,
    jpeg_compat: bool = False,
) -> list[Path]:
    """Score all results and write `report.html`, `report.md`, `scores.csv` and `pictures/` into a folder.

    Raises:
        InputError: if there are no results, or jinja2 or matplotlib is missing.
    """
    collected = collect(benchmark, judges, names, jpeg_compat)
    parts = sections(collected, read_verdicts(benchmark.folder))
    said = opening(collected), collected.notices, parts
    texts = {"report.html": page(*said), "report.md": text(*said), "scores.csv": csv_text(collected)}
    output.mkdir(parents=True, exist_ok=True)
    written = [_written(output / name, content) for name, content in texts.items()]
    return [*written, *_pictures(parts, output / "pictures")]


def _pictures(parts: Sequence[Section], folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for plot in part.plots:
            yield _written(folder / f"{plot.key}.svg", plot.svg)
        for grid in part.grids:
            yield save_image(drawn(grid), folder / f"{grid.key}.png")


def _written(path: Path, content: str) -> Path:
    with written_whole(path) as unfinished:
        unfinished.write_text(content)
    return path
