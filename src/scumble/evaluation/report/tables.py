"""The report's tables: which figures for which methods over which tasks, once for HTML and Markdown alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scumble.evaluation.collect import Collected
from scumble.evaluation.editors import EDITORS, Family
from scumble.evaluation.score import METRICS, titles
from scumble.evaluation.statistics import Mean, mean_of

__all__ = ["Group", "Table", "by_task", "common_tasks", "compared", "costs", "families", "markdown"]


@dataclass(frozen=True)
class Table:
    """A table with its heading and what one has to know to read it."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_FAMILIES: dict[Family, tuple[str, tuple[str, ...]]] = {
    "words": (
        "Words: the whole picture may change",
        ("success", "kept", "judge", "psnr_in", "psnr_out", "ssim_out", "direction", "structure"),
    ),
    "region": (
        "Words into a region: the rest must stay",
        ("success", "kept", "asked", "judge", "psnr_in", "psnr_out", "seam", "adherence"),
    ),
    "drag": ("Drags: this point goes there", ("moved", "arrival", "success", "kept", "psnr", "psnr_in", "psnr_out")),
    "guidance": (
        "Guidance: by energies",
        ("success", "kept", "moved", "arrival", "resized", "psnr_in", "psnr_out", "structure"),
    ),
}
_PUBLISHED = (
    "structure", "background_psnr", "background_lpips", "background_mse", "background_ssim", "background_mse_own",
    "clip", "clip_edited", "direction", "judge", "lpips", "dragged", "fidelity",
)  # fmt: skip


def common_tasks(collected: Collected, names: Sequence[str]) -> tuple[str, ...]:
    """The tasks of which all of these editors have results."""
    tasks = [{row.task for row in collected.of(name)} for name in names]
    shared = set.intersection(*tasks) if tasks else set()
    return tuple(task for task in collected.benchmark.tasks if task in shared)


def families(collected: Collected) -> list[Table]:
    """One table for each family of methods, over the tasks that all of them do; trivial editors for comparison."""
    if collected.benchmark.style != "world":
        return [_table(collected, "All methods", collected.editors, collected.benchmark.tasks, _PUBLISHED)]
    trivial = [name for name in collected.editors if name in EDITORS and EDITORS[name].family == "trivial"]
    made = []
    for group in compared(collected):
        title, figures = _FAMILIES[group.family]
        extra = [name for name in trivial if _does(collected, name, group.tasks)]
        made.append(_table(collected, title, [*extra, *group.names], group.tasks, (*figures, "lpips")))
    return made


@dataclass(frozen=True)
class Group:
    """Methods of one family that all have results of some tasks; results from outside that have them come first."""

    family: Family
    names: tuple[str, ...]
    tasks: tuple[str, ...]


def compared(collected: Collected) -> list[Group]:
    """Who is compared with whom: each family over the tasks that all of it do, or in parts where there are none."""
    others = [name for name in collected.editors if name not in EDITORS]
    made = []
    for family in _FAMILIES:
        names = [name for name in collected.editors if name in EDITORS and EDITORS[name].family == family]
        for part in [names] if common_tasks(collected, names) else _alike(names):
            tasks = common_tasks(collected, part)
            if tasks:
                outside = [name for name in others if _does(collected, name, tasks)]
                made.append(Group(family, (*outside, *part), tasks))
    return made


def _alike(names: Sequence[str]) -> list[list[str]]:
    """The editors apart by what they are for."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        parts.setdefault(EDITORS[name].tasks, []).append(name)
    return list(parts.values())


def _does(collected: Collected, name: str, tasks: Sequence[str]) -> bool:
    return set(tasks) <= {row.task for row in collected.of(name)}


def _table(
    collected: Collected, title: str, names: Sequence[str], tasks: Sequence[str], figures: Sequence[str]
) -> Table:
    shown = [f for f in figures if any(collected.values(name, f, tasks) for name in names)]
    rows = []
    for name in names:
        means = {f: mean_of(collected.values(name, f, tasks)) for f in shown}
        cells = [means[f].text(METRICS[f].digits, METRICS[f].scale) for f in shown]
        rows.append((name, str(len(collected.of(name, tasks))), *cells, *_cost_cells(collected, name, tasks)))
    note = f"Means over {', '.join(tasks)}; 95 % bootstrap intervals in brackets."
    if len({row[1] for row in rows}) > 1:
        note += " Not all have the same number of cases: some are not done yet or failed."
    undefined = [f"{METRICS[f].title} in {k}" for f in shown if (k := _undefined(collected, names, f, tasks))]
    if undefined:
        note += f" Not defined and left out: {', '.join(undefined)} results."
    return Table(title, note, ("method", "n", *titles(shown), "rows", "seconds"), tuple(rows))


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


def by_task(collected: Collected, figure: str) -> Table:
    """Method by task, one figure."""
    metric = METRICS[figure]
    tasks = collected.benchmark.tasks
    rows = []
    for name in collected.editors:
        means = [mean_of(collected.values(name, figure, (task,))) for task in tasks]
        if any(mean.count for mean in means):
            rows.append((name, *(_short(mean, metric.digits, metric.scale) for mean in means)))
    arrow = titles([figure])[0]
    return Table(f"{arrow} by task", f"{metric.about[:1].upper()}{metric.about[1:]}.", ("method", *tasks), tuple(rows))


def _short(mean: Mean, digits: int, scale: float) -> str:
    return mean.text(digits, scale)


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
        "A row is one picture through the denoising network once. Seconds were measured with all jobs of the run at"
        " once; peak memory is the largest growth that one edit caused, in MB."
    )
    head = ("method", "n", "forward rows", "backward rows", "seconds", "peak MB")
    return Table("Cost", note, head, tuple(rows))


def markdown(table: Table) -> str:
    """The table in Markdown, numbers to the right."""
    lines = [f"| {' | '.join(table.head)} |", f"|---|{'---:|' * (len(table.head) - 1)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in table.rows]
    return f"### {table.title}\n\n{table.note}\n\n" + "\n".join(lines) + "\n"
