"""The report's tables: which figures for which methods over which tasks, once for HTML and Markdown alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scumble_lab.bench.bench_editor import Family
from scumble_lab.bench.collect import Collected
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.report.groups import FAMILIES, compared, few, trivial
from scumble_lab.bench.score import METRICS, titles
from scumble_lab.bench.statistics import mean_of

__all__ = ["Table", "by_task", "costs", "families", "markdown", "who"]

_FIGURES: dict[Family, tuple[str, ...]] = {
    "words": ("success", "kept", "judge", "psnr_in", "psnr_out", "ssim_out", "direction", "structure"),
    "region": ("success", "kept", "asked", "judge", "psnr_in", "psnr_out", "seam", "adherence"),
    "drag": ("moved", "arrival", "success", "kept", "psnr", "psnr_in", "psnr_out"),
    "guidance": ("success", "kept", "moved", "arrival", "resized", "psnr_in", "psnr_out", "structure"),
}
_PUBLISHED = (
    "structure", "background_psnr", "background_lpips", "background_mse", "background_ssim", "background_mse_own",
    "clip", "clip_edited", "direction", "judge", "lpips", "dragged", "fidelity",
)  # fmt: skip
_BY_TASK = ("success", "psnr_in", "psnr_out", "kept")
_NUMBER = re.compile(r"[-–]?\d.*|–")


@dataclass(frozen=True)
class Table:
    """A table with its heading, if it needs one, and what one has to know to read it."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers: these go to the right."""
        return tuple(all(_NUMBER.fullmatch(cell) for cell in column) for column in zip(*self.rows, strict=True))


def who(collected: Collected) -> Table:
    """What each row of the other tables is."""
    rows = []
    for name in collected.editors:
        editor = EDITORS.get(name)
        family = "Others" if editor is None else FAMILIES[editor.family][0]
        about = "results from outside" if editor is None else editor.about
        rows.append((name, family, about, str(len(collected.of(name)))))
    return Table("", "", ("name", "family", "what it is", "results"), tuple(rows))


def families(collected: Collected) -> list[Table]:
    """One table for each group of methods that are compared, with the trivial editors on the same cases."""
    if collected.benchmark.style != "world":
        return [_table(collected, "All methods", [], collected.editors, collected.benchmark.tasks, _PUBLISHED)]
    return [
        _table(
            collected.among(group.names), group.title, trivial(collected, group.tasks), group.names, group.tasks,
            (*_FIGURES[group.family], "lpips"),
        )
        for group in compared(collected)
    ]  # fmt: skip


def _table(
    collected: Collected,
    title: str,
    plain: Sequence[str],
    methods: Sequence[str],
    tasks: Sequence[str],
    figures: Sequence[str],
) -> Table:
    names = [*plain, *methods]
    shown = [f for f in figures if any(collected.values(name, f, tasks) for name in names)]
    begun, rows = few(collected, methods, tasks), []
    for name in names:
        means = {f: mean_of(collected.values(name, f, tasks)) for f in shown}
        cells = [means[f].text(METRICS[f].digits, METRICS[f].scale) for f in shown]
        count = begun.get(name, str(len(collected.of(name, tasks))))
        rows.append((name, count, *cells, *_cost_cells(collected, name, tasks)))
    notes = [f"Over {', '.join(tasks)}."]
    if begun:
        notes.append(f"Too few cases to be compared with the others yet: {', '.join(begun)}.")
    elif len({row[1] for row in rows}) > 1:
        notes.append("Not all have the same number of cases: some are not done yet, have failed or cannot be done.")
    undefined = [f"{METRICS[f].title} of {k}" for f in shown if (k := _undefined(collected, names, f, tasks))]
    if undefined:
        notes.append(f"Not defined and left out of the means: {', '.join(undefined)} results.")
    return Table(title, " ".join(notes), ("method", "n", *titles(shown), "rows", "seconds"), tuple(rows))


def _undefined(collected: Collected, names: Sequence[str], figure: str, tasks: Sequence[str]) -> int:
    return sum(mean_of(collected.values(name, figure, tasks)).undefined for name in names)


def _cost_cells(collected: Collected, name: str, tasks: Sequence[str]) -> tuple[str, str]:
    forward, backward, seconds = (
        mean_of(collected.values(name, key, tasks)) for key in ("forward_rows", "backward_rows", "seconds")
    )
    if not forward.count:
        return "–", "–"
    rows = f"{forward.value:.0f}" + (f" + {backward.value:.0f}" if backward.value else "")
    return rows, f"{seconds.value:.1f}"


def by_task(collected: Collected) -> list[Table]:
    """Method by task, a table for each group of methods and each figure."""
    everyone = [name for name in collected.editors if name not in EDITORS or EDITORS[name].family == "trivial"]
    parts: list[tuple[str, Sequence[str]]] = [("Trivial editors and others", everyone)]
    if collected.benchmark.style == "world":
        parts += [(group.called, group.names) for group in compared(collected)]
    else:
        parts = [("All methods", collected.editors)]
    return [
        table for title, names in parts for figure in _BY_TASK if (table := _spread(collected, title, names, figure))
    ]


def _spread(collected: Collected, title: str, names: Sequence[str], figure: str) -> Table | None:
    """One figure of some methods for each task that any of them has it of; nothing where that is one."""
    metric = METRICS[figure]
    tasks = [
        t for t in collected.benchmark.tasks if any(mean_of(collected.values(n, figure, (t,))).count for n in names)
    ]
    if len(tasks) < 2:
        return None
    rows = [
        (name, *(mean_of(collected.values(name, figure, (t,))).text(metric.digits, metric.scale) for t in tasks))
        for name in names
    ]
    note = f"{metric.about[:1].upper()}{metric.about[1:]}."
    return Table(f"{title}: {titles([figure])[0]}", note, ("method", *tasks), tuple(rows))


def costs(collected: Collected) -> Table:
    """What each method takes."""
    rows = []
    for name in collected.editors:
        forward, backward, seconds, peak = (
            collected.values(name, key) for key in ("forward_rows", "backward_rows", "seconds", "peak_bytes")
        )
        if forward:
            cells = (mean_of(forward), mean_of(backward), mean_of(seconds))
            texts = [cells[0].text(0), cells[1].text(0), cells[2].text(1)]
            rows.append((name, str(len(forward)), *texts, f"{max(peak, default=0) / 1e6:.0f}"))
    note = (
        "For one edit. A row is one picture through the denoising network once. Seconds were measured with all jobs of"
        " the run at once; peak memory is the largest growth that one edit caused, in MB."
    )
    head = ("method", "n", "forward rows", "backward rows", "seconds", "peak MB")
    return Table("", note, head, tuple(rows))


def markdown(table: Table) -> str:
    """The table in Markdown, numbers to the right."""
    lines = [f"| {' | '.join(table.head)} |", f"|{'|'.join('---:' if right else '---' for right in table.numeric)}|"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in table.rows]
    above = [f"### {table.title}" if table.title else "", table.note]
    return "\n\n".join([*filter(None, above), "\n".join(lines)])
