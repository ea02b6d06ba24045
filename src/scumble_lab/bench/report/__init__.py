"""The report: one self-contained HTML page, Markdown with a few pictures, claims beside it, all scores as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from scumble.files import atomic_write
from scumble_lab.bench.collect import Collected, collect, csv_text
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.formatting import counted
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.report.claims_page import PAGE, write_claims
from scumble_lab.bench.report.drawing import drawn, webp
from scumble_lab.bench.report.page import page
from scumble_lab.bench.report.sections import Section, heading, opening, sections
from scumble_lab.bench.report.text import text
from scumble_lab.bench.verdicts import read_verdicts

__all__ = ["write_report"]


def write_report(
    benchmark: Benchmark,
    judges: Judges,
    output: Path,
    names: Sequence[str] | None = None,
    jpeg_compat: bool = False,
    on_notice: Callable[[str], None] | None = None,
) -> list[Path]:
    """Score all results and write `report.html`, `report.md`, `scores.csv` and `pictures/` into a folder.

    Verdicts on claims go into `claims.json` and `claims.md`, where those of earlier experiments stay.

    Args:
        benchmark: The cases and, under `results`, what was made of them.
        judges: The networks.
        output: Where to.
        names: Whose results; all by default.
        jpeg_compat: Score them after JPEG.
        on_notice: Told what is missing or odd, a line each.

    Raises:
        InputError: if there are no results, the output's `claims.json` is damaged, or jinja2 or matplotlib is missing.
    """
    collected = collect(benchmark, judges, names, jpeg_compat)
    if on_notice is not None:
        for notice in _notices(collected):
            on_notice(notice)
    claims = write_claims(output, read_verdicts(benchmark.folder))
    parts = sections(collected, PAGE if claims else None)
    introduction = heading(collected), opening(collected), collected.notices, parts
    texts = {"report.html": page(*introduction), "report.md": text(*introduction), "scores.csv": csv_text(collected)}
    output.mkdir(parents=True, exist_ok=True)
    written = [_written(output / name, content) for name, content in texts.items()]
    return [*written, *_pictures(parts, output / "pictures"), *claims]


def _notices(collected: Collected) -> Iterator[str]:
    yield from collected.notices
    failed = [row for row in collected.rows if row.error is not None]
    if failed:
        first = f"{failed[0].editor}, {failed[0].case.id}: {failed[0].error}"
        yield f"{counted(len(failed), 'result')} cannot be scored; the first is {first}"


def _pictures(parts: Sequence[Section], folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for plot in part.plots:
            yield _written(folder / f"{plot.key}.svg", plot.svg)
        for grid in part.grids:
            yield _written(folder / f"{grid.key}.webp", webp(drawn(grid)))


def _written(path: Path, content: str | bytes) -> Path:
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
