"""The report: one self-contained HTML page, one Markdown page with a few pictures, all scores as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.evaluation.collect import Collected, collect, csv_text
from scumble.evaluation.editors import EDITORS
from scumble.evaluation.folder import Benchmark
from scumble.evaluation.judges import Judges
from scumble.evaluation.report.glance import glance
from scumble.evaluation.report.grids import CHOSEN, chosen_rows, data_url, grid, strip
from scumble.evaluation.report.plots import Plot, curves_plot, preservation_plot, success_against_cost
from scumble.evaluation.report.tables import Table, by_task, costs, families, markdown
from scumble.evaluation.score import METRICS
from scumble.evaluation.verdicts import Verdict, read_verdicts
from scumble.images import save_image, written_whole

__all__ = ["write_report"]

_BY_TASK = ("success", "psnr_in", "psnr_out", "kept")
_VERDICTS = {"holds": "**holds**", "does not hold": "**does not hold**"}


@dataclass(frozen=True)
class _Section:
    title: str
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...] = ()


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
    verdicts = read_verdicts(benchmark.folder)
    output.mkdir(parents=True, exist_ok=True)
    written = [output / "report.html", output / "report.md", output / "scores.csv"]
    sections = _sections(collected)
    texts = (_html(collected, sections, verdicts), _markdown(collected, sections, verdicts), csv_text(collected))
    for path, text in zip(written, texts, strict=True):
        with written_whole(path) as unfinished:
            unfinished.write_text(text)
    return [*written, *_pictures(collected, output / "pictures")]


def _sections(collected: Collected) -> list[_Section]:
    plots = [preservation_plot(collected, family) for family in ("words", "region")]
    shown = tuple(plot for plot in plots if plot is not None)
    cost = success_against_cost(collected)
    first = glance(collected)
    return [
        *([_Section("At a glance", (first,))] if first.rows else []),
        _Section("Side by side", tuple(families(collected)), shown),
        _Section("Method by task", tuple(t for f in _BY_TASK if (t := by_task(collected, f)).rows)),
        _Section("Cost", (costs(collected),), () if cost is None else (cost,)),
    ]


def _html(collected: Collected, sections: Sequence[_Section], verdicts: Sequence[Verdict]) -> str:
    try:
        import jinja2
    except ImportError as error:
        raise InputError("the report needs its extras: pip install 'scumble[evaluation]'") from error
    source = files("scumble.evaluation.report").joinpath("page.html.j2").read_text()
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page: str = environment.from_string(source).render(
        benchmark=collected.benchmark.name,
        cases=len(collected.benchmark.cases),
        tasks=collected.benchmark.tasks,
        machine=_machine(collected),
        notices=collected.notices,
        sections=sections,
        claims=verdicts,
        claim_plots=[curves_plot(v.plot.title, v.plot.x, v.plot.y, v.plot.curves) for v in verdicts if v.plot],
        pictures=[_shown(collected, name) for name in collected.editors],
        failed=[row for row in collected.rows if row.error is not None],
        metrics=[m for name, m in METRICS.items() if any(name in row.figures for row in collected.rows)],
    )
    return page


def _shown(collected: Collected, editor: str) -> dict[str, Any]:
    cases = []
    for place, row in zip(CHOSEN, chosen_rows(collected, editor), strict=False):
        said = f"{place}: {row.case.instruction or row.case.prompt}"
        url = data_url(strip(collected, row))
        cases.append({"said": said, "alt": f"{editor}, {row.case.id}", "url": url})
    about = EDITORS[editor].about if editor in EDITORS else "results from outside"
    return {"name": editor, "about": about, "cases": cases}


def _markdown(collected: Collected, sections: Sequence[_Section], verdicts: Sequence[Verdict]) -> str:
    parts = [
        "# Evaluation with known truth\n",
        f"{collected.benchmark.name}: {len(collected.benchmark.cases)} cases of"
        f" {len(collected.benchmark.tasks)} tasks. {_machine(collected)}\n",
    ]
    parts += [f"- {notice}" for notice in collected.notices]
    for section in sections:
        parts.append(f"\n## {section.title}\n")
        parts += [markdown(table) for table in section.tables]
    if verdicts:
        rows = tuple(
            (v.name, f"{v.statement} ({v.paper})", _VERDICTS.get(v.verdict, v.verdict), v.reason) for v in verdicts
        )
        table = Table("Verdicts", "", ("experiment", "claim", "verdict", "figures"), rows)
        parts += ["\n## What the papers claim\n", markdown(table).replace("---:|", "---|")]
    parts.append("\n## Best, median and worst\n")
    parts.append("For each method three cases chosen by score: source, true result, result.\n")
    for family, names in _by_family(collected).items():
        parts.append(f"{family}, from the top: {', '.join(names)}\n\n![{family}](pictures/{family}.png)\n")
    failed = [row for row in collected.rows if row.error is not None]
    if failed:
        parts.append("\n## What failed\n")
        parts += [f"- {row.editor}, {row.case.id}: {row.error}" for row in failed]
    return "\n".join(parts) + "\n"


def _by_family(collected: Collected) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in collected.editors:
        found.setdefault(EDITORS[name].family if name in EDITORS else "others", []).append(name)
    return {family: [n for n in names if collected.of(n)] for family, names in found.items()}


def _pictures(collected: Collected, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for family, names in _by_family(collected).items():
        if names:
            written.append(save_image(grid(collected, names), folder / f"{family}.png"))
    return written


def _machine(collected: Collected) -> str:
    about = collected.about
    if not about:
        return "Where the results were made is not recorded."
    models = ", ".join(f"{m['name']} ({m['sha256'][:8]})" for m in about.get("models", {}).values())
    torch = about.get("versions", {}).get("torch", "?")
    earlier = f" (some results of {', '.join(about['commits'])})" if about.get("commits") else ""
    return (
        f"Made on {about.get('machine', 'an unknown machine')} with {about.get('jobs', 1)} jobs, torch {torch},"
        f" commit {about.get('commit') or 'unknown'}{earlier}, {about.get('date', '')}; models: {models or 'none'}."
    )
