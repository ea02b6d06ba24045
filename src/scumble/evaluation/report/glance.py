"""The report's first table: of methods that are compared, which one succeeds most and which keeps the rest best."""

from __future__ import annotations

from collections.abc import Sequence

from scumble.evaluation.collect import Collected
from scumble.evaluation.report.tables import Group, Table, compared
from scumble.evaluation.score import METRICS
from scumble.evaluation.statistics import mean_of, paired

__all__ = ["glance"]

ENOUGH = 0.5
"""Keepers succeed at least so often, as a share of the best, since a method that does nothing keeps everything; and who
has fewer than this share of the cases of the others is not compared yet."""

_NOTE = (
    "Over the tasks that all methods of a row do, without those that have less than half of the cases yet; 95 %"
    " bootstrap intervals in brackets. The rest is kept best by one of"
    " those that succeed at least half as often as the most successful one. Level: those whose difference to the named"
    " method, case by case, has an interval that holds 0. Rows: pictures through the denoising network once, forward +"
    " backward."
)
_HEAD = ("methods", "tasks", "n", "succeeds most", "success", "rows", "level", "keeps the rest best", "rest kept",
         "its success", "rows", "level")  # fmt: skip


def glance(collected: Collected) -> Table:
    """One line for each group of methods that are compared; none where success is not judged."""
    lines = [_line(collected, group) for group in compared(collected)]
    return Table("Which method does what best", _NOTE, _HEAD, tuple(line for line in lines if line))


def _line(collected: Collected, group: Group) -> tuple[str, ...]:
    counts = {name: len(collected.of(name, group.tasks)) for name in group.names}
    well_begun = [name for name in group.names if counts[name] >= ENOUGH * max(counts.values())]
    successes = _means(collected, group, well_begun, "success")
    if len(successes) < 2:
        return ()
    winner = max(successes, key=lambda name: successes[name])
    able = [name for name in successes if successes[name] >= ENOUGH * successes[winner]]
    kept = _means(collected, group, able, "kept")
    if not successes[winner] or not kept:
        return ()
    keeper = max(kept, key=lambda name: kept[name])
    done = _text(collected, group, keeper, "success")
    return (
        group.family, ", ".join(group.tasks), str(counts[winner]),
        *_told(collected, group, list(successes), winner, "success"),
        *_told(collected, group, list(kept), keeper, "kept", done),
    )  # fmt: skip


def _means(collected: Collected, group: Group, names: Sequence[str], figure: str) -> dict[str, float]:
    means = {name: mean_of(collected.values(name, figure, group.tasks)) for name in names}
    return {name: mean.value for name, mean in means.items() if mean.count}


def _told(
    collected: Collected, group: Group, names: Sequence[str], best: str, figure: str, *more: str
) -> tuple[str, ...]:
    forward, backward = (mean_of(collected.values(best, key, group.tasks)) for key in ("forward_rows", "backward_rows"))
    rows = f"{forward.value:.0f}" if forward.count else "–"
    rows += f" + {backward.value:.0f}" if backward.count and backward.value else ""
    level = [name for name in names if name != best and not _behind(collected, group, best, name, figure)]
    return best, _text(collected, group, best, figure), *more, rows, ", ".join(level) or "–"


def _text(collected: Collected, group: Group, name: str, figure: str) -> str:
    metric = METRICS[figure]
    return mean_of(collected.values(name, figure, group.tasks)).text(metric.digits, metric.scale)


def _behind(collected: Collected, group: Group, best: str, other: str, figure: str) -> bool:
    """Whether another is worse on the cases that both have."""
    one, two = (
        {row.case.id: row.figures[figure] for row in collected.of(name, group.tasks) if figure in row.figures}
        for name in (best, other)
    )
    shared = sorted(one.keys() & two.keys())
    gain = paired([one[case] for case in shared], [two[case] for case in shared])
    return gain.count > 1 and gain.low > 0
