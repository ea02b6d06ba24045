"""The report's first table: of methods that are compared, which one succeeds most and which keeps the rest best."""

from __future__ import annotations

from collections.abc import Sequence

from scumble_lab.bench.collect import Collected
from scumble_lab.bench.report.groups import Group, compared, few
from scumble_lab.bench.report.tables import Table
from scumble_lab.bench.score import METRICS
from scumble_lab.bench.statistics import mean_of, paired

__all__ = ["glance"]

SUCCEEDING = 0.5
"""Keepers succeed at least so often, as a share of the best, since a method that does nothing keeps everything."""

_NOTE = (
    "Over the tasks that all methods of a group do, without those that have less than half of the cases yet; n: cases;"
    " 95 % bootstrap intervals in brackets. The rest is kept best by one of"
    " those that succeed at least half as often as the most successful one. Level with it: those whose difference,"
    " case by case, has an interval that holds 0. Rows: pictures through the denoising network once, forward +"
    " backward."
)
_HEAD = ("methods", "tasks", "n", "which", "method", "success %", "rest kept %", "rows", "level with it")


def glance(collected: Collected) -> Table:
    """Two lines for each group of methods that are compared; none where success is not judged."""
    lines = [line for group in compared(collected) for line in _lines(collected, group)]
    return Table("", _NOTE, _HEAD, tuple(lines))


def _lines(collected: Collected, group: Group) -> list[tuple[str, ...]]:
    behind = few(collected, group.names, group.tasks)
    successes = _means(collected, group, [name for name in group.names if name not in behind], "success")
    if len(successes) < 2:
        return []
    winner = max(successes, key=lambda name: successes[name])
    able = [name for name in successes if successes[name] >= SUCCEEDING * successes[winner]]
    preserved = _means(collected, group, able, "kept")
    if not successes[winner] or not preserved:
        return []
    keeper = max(preserved, key=lambda name: preserved[name])
    most = len(collected.of(winner, group.tasks))
    who = group.called, ", ".join(group.tasks), str(most)
    return [
        (*who, "succeeds most", *_told(collected, group, list(successes), winner, "success")),
        (*who, "keeps the rest best", *_told(collected, group, list(preserved), keeper, "kept")),
    ]


def _means(collected: Collected, group: Group, names: Sequence[str], figure: str) -> dict[str, float]:
    means = {name: mean_of(collected.values(name, figure, group.tasks)) for name in names}
    return {name: mean.value for name, mean in means.items() if mean.count}


def _told(collected: Collected, group: Group, names: Sequence[str], best: str, figure: str) -> tuple[str, ...]:
    forward, backward = (mean_of(collected.values(best, key, group.tasks)) for key in ("forward_rows", "backward_rows"))
    rows = f"{forward.value:.0f}" if forward.count else "–"
    rows += f" + {backward.value:.0f}" if backward.count and backward.value else ""
    level = [name for name in names if name != best and not _behind(collected, group, best, name, figure)]
    done, preserved = (_text(collected, group, best, key) for key in ("success", "kept"))
    return best, done, preserved, rows, ", ".join(level) or "none"


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
