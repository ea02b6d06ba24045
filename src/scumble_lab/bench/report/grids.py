"""Which pictures the report shows, chosen by score alone, and what stands above and beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.collect import Collected, Row
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.report.groups import Group, few
from scumble_lab.bench.results import result_picture
from scumble_lab.bench.score import overall
from scumble_lab.bench.statistics import mean_of

__all__ = ["Grid", "Line", "Strip", "abreast", "asks", "extremes", "with_points"]

CHOSEN = ("best", "median", "worst")


@dataclass(frozen=True)
class Strip:
    """Pictures side by side, None where there is none, with a line beneath."""

    pictures: tuple[Image.Image | None, ...]
    caption: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a grid: what stands beside it, in bold and then plainly, and its strips."""

    name: str
    about: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Grid:
    """Strips in lines, with a word above each of their pictures.

    Attributes:
        title: Its heading.
        key: Its name among files.
        heads: For each strip of a line the words above its pictures.
        lines: From the top.
    """

    title: str
    key: str
    heads: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]


def abreast(collected: Collected, group: Group) -> Grid | None:
    """One case of each task with every method's result: the case in the middle, by the mean score of all methods.

    Methods that have few cases yet are left out.
    """
    behind = few(collected, group.names, group.tasks)
    names = [name for name in group.names if name not in behind]
    lines, truth = [], False
    for task in group.tasks:
        case = _middle(collected, names, task)
        if case is not None:
            sample = collected.benchmark.load(case)
            truth = truth or sample.target is not None
            there = {row.editor: row for row in collected.rows if row.case.id == case.id and row.error is None}
            pictures = [result_picture(collected.benchmark, n, sample) if n in there else None for n in names]
            lines.append((case, (with_points(sample), sample.target, *pictures)))
    if not lines:
        return None
    keep = [0, *([1] if truth else []), *range(2, 2 + len(names))]
    heads = ("source", "true result", *names)
    return Grid(
        group.title,
        f"{group.key}-abreast",
        (tuple(heads[k] for k in keep),),
        tuple(Line(case.id, asks(case), (Strip(tuple(shown[k] for k in keep)),)) for case, shown in lines),
    )


def _middle(collected: Collected, names: Sequence[str], task: str) -> Case | None:
    """The case of a task whose score is the middle one, of those that most methods have done."""
    scores: dict[str, list[float]] = {}
    cases: dict[str, Case] = {}
    for name in names:
        for row in collected.of(name, (task,)):
            cases[row.case.id] = row.case
            scores.setdefault(row.case.id, []).append(overall(row.figures))
    most = max(map(len, scores.values()), default=0)
    means = sorted((-mean_of(values).value, case) for case, values in scores.items() if len(values) == most)
    return cases[means[len(means) // 2][1]] if means else None


def extremes(collected: Collected, title: str, key: str, names: Sequence[str]) -> Grid:
    """The best, the median and the worst case of each editor."""
    lines, truth = [], False
    for name in names:
        strips = []
        for row in _chosen(collected, name):
            sample = collected.benchmark.load(row.case)
            truth = truth or sample.target is not None
            shown = (with_points(sample), sample.target, result_picture(collected.benchmark, name, sample))
            strips.append(Strip(shown, f"{row.case.id}: {asks(row.case)}"))
        about = EDITORS[name].about if name in EDITORS else "results from outside"
        lines.append(Line(name, about, tuple(strips)))
    keep = (0, 1, 2) if truth else (0, 2)
    heads = ("source", "true result", "result")
    longest = max((len(line.strips) for line in lines), default=0)
    return Grid(
        title,
        key,
        tuple(tuple(f"{place}:\n{heads[k]}" if not k else heads[k] for k in keep) for place in CHOSEN[:longest]),
        tuple(
            Line(li.name, li.about, tuple(Strip(tuple(s.pictures[k] for k in keep), s.caption) for s in li.strips))
            for li in lines
        ),
    )


def _chosen(collected: Collected, editor: str) -> list[Row]:
    """The results of the highest, the middle and the lowest score; fewer where there are fewer."""
    rows = sorted(collected.of(editor), key=lambda row: -overall(row.figures))
    if len(rows) < len(CHOSEN):
        return rows
    return [rows[0], rows[len(rows) // 2], rows[-1]]


def with_points(sample: Sample) -> Image.Image:
    """The source with a line from where to where for each pair of points, and a ring where it ends."""
    if not sample.case.points:
        return sample.source
    shown = sample.source.convert("RGB")
    draw, wide = ImageDraw.Draw(shown), max(1, round(min(shown.size) / 64))
    for x0, y0, x1, y1 in sample.case.points:
        for color, more in (("white", 2 * wide), ("red", 0)):
            draw.line((x0, y0, x1, y1), fill=color, width=wide + more)
            reach = 2 * wide + more / 2
            ring = (x1 - reach, y1 - reach, x1 + reach, y1 + reach)
            draw.ellipse(ring, outline=color, width=wide + more // 2)
    return shown


def asks(case: Case) -> str:
    """What is asked for: the instruction, or the words of the result."""
    return case.instruction or case.prompt
