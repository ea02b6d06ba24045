"""What the report says, part by part, before it is put into HTML or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scumble_lab.bench.collect import Collected
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.formatting import counted
from scumble_lab.bench.report.grids import Grid, abreast, extremes
from scumble_lab.bench.report.groups import FAMILIES, compared
from scumble_lab.bench.report.plots import Plot, preservation_plots, success_against_cost
from scumble_lab.bench.report.summary import glance
from scumble_lab.bench.report.tables import Table, by_task, costs, families, who
from scumble_lab.bench.report.twelve import tally, unchosen
from scumble_lab.bench.score import METRICS
from scumble_lab.bench.timing import spent

__all__ = ["Section", "heading", "opening", "sections"]

_WORLD = (
    "The right result of every edit is known, because the edited scene can be rendered. Success is what a classifier of"
    " this world reads; inside and outside mean where the true result differs from the source, and everywhere else."
    " Ideal, identity and noise are editors that return the truth, the input and noise: they show where the scales"
    " begin and end. Where ideal does not succeed, the classifier errs."
)
_OTHERS = "The right results are not known: figures say what was kept of the source, and what the words' judge sees."
_TABLES = (
    "Means over cases, with 95 % bootstrap intervals in brackets; ↑ more is better, ↓ less is. n: cases; rows: pictures"
    " through the denoising network once for an edit, forward + backward; seconds: for an edit; PSNR counts to 60 dB."
    " What the other figures are stands at the end."
)
_ABREAST = (
    "Of each task the case that is in the middle by the mean score of all methods: success first, then nearness to the"
    " truth. Methods with too few cases are left out; grey: not there. A line in the source leads from a point that"
    " is to move to where it shall go."
)
_BY_TASK = "The same figures task by task. One without brackets is of a single case."
_EXTREMES = "For each method three of its cases, chosen by score: success first, then nearness to the truth."
_TWELVE = (
    "Nobody chose these: the first cases of the run with every method's result, and whether it shows what was asked"
    " for."
)
_CLAIMS = "The verdicts, each with its figures, have a page of their own:"


@dataclass(frozen=True)
class Section:
    """A part of the report; a folded one is for those who want to know more, and `beside` a file with more of it."""

    title: str
    says: str = ""
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    grids: Sequence[Grid] = ()
    folded: bool = False
    beside: str | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show in it."""
        return not (self.plots or self.grids or self.beside or any(table.rows for table in self.tables))


def heading(collected: Collected) -> str:
    """What the report is called."""
    return "Evaluation with known truth" if collected.benchmark.style == "world" else "Evaluation"


def opening(collected: Collected) -> list[str]:
    """The paragraphs before everything else: of what this is a report, and what the results were made with."""
    benchmark = collected.benchmark
    tasks = f"{counted(len(benchmark.tasks), 'task')} ({', '.join(benchmark.tasks)})"
    about = _WORLD if benchmark.style == "world" else _OTHERS
    return [
        f"{benchmark.name}: {counted(len(benchmark.cases), 'case')} of {tasks}. {about}",
        " ".join(filter(None, (_machine(collected), spent(benchmark).text(), _unfinished(collected)))),
    ]


def sections(collected: Collected, claims: str | None = None) -> list[Section]:
    """All parts that have something in them; `claims` names the page that the verdicts are on."""
    cost = success_against_cost(collected)
    groups = compared(collected)
    shown = [grid for group in groups if (grid := abreast(collected, group)) is not None]
    sheets = [grid for group in groups if (grid := unchosen(collected, group)) is not None]
    parts = [
        Section("At a glance", "", preservation_plots(collected), [glance(collected)]),
        Section("Who is who", "", (), [who(collected)]),
        Section("Side by side", _TABLES, (), families(collected)),
        Section("In pictures", _ABREAST, (), (), shown),
        Section("Twelve that nobody chose", _TWELVE, (), [tally(collected, groups)], sheets),
        Section("Method by task", _BY_TASK, (), by_task(collected), folded=True),
        Section("Cost", "", [cost] if cost else [], [costs(collected)]),
        Section("What the papers claim", _CLAIMS, beside=claims),
        Section("Best, median and worst", _EXTREMES, (), (), _extremes(collected)),
        Section("What failed", "", (), [_failed(collected)]),
        Section("What the figures are", "", (), [_figures(collected)]),
    ]
    return [part for part in parts if not part.empty]


def _extremes(collected: Collected) -> list[Grid]:
    rows: dict[str, list[str]] = {}
    for name in collected.editors:
        if collected.of(name):
            rows.setdefault(EDITORS[name].family if name in EDITORS else "others", []).append(name)
    titles: dict[str, str] = {family: title for family, (title, _) in FAMILIES.items()}
    return [extremes(collected, titles.get(family, family), family, names) for family, names in rows.items()]


def _failed(collected: Collected) -> Table:
    rows = tuple((row.editor, row.case.id, row.error) for row in collected.rows if row.error is not None)
    return Table("", "", ("method", "case", "why"), rows)


def _figures(collected: Collected) -> Table:
    known = [metric for name, metric in METRICS.items() if any(name in row.figures for row in collected.rows)]
    better = {True: "more", False: "less", None: "neither"}
    rows = tuple((metric.title, better[metric.better], metric.about) for metric in known)
    return Table("", "", ("figure", "what is better", "what it says"), rows)


def _unfinished(collected: Collected) -> str:
    """How much of what its methods could do is there, where that is not all."""
    benchmark, names = collected.benchmark, [name for name in collected.editors if name in EDITORS]
    done = sum(row.error is None and row.editor in names for row in collected.rows)
    due = sum(
        EDITORS[name].takes(case) and (benchmark.has_truth(case) or not EDITORS[name].needs_truth)
        for name in names
        for case in benchmark.cases
    )
    return f"Of {due} edits that these methods could make here {done} are there." if done < due else ""


def _machine(collected: Collected) -> str:
    about = collected.about
    if not about:
        return "Where the results were made is not recorded."
    models = ", ".join(f"{m['name']} ({m['sha256'][:8]})" for m in about.get("models", {}).values())
    torch = about.get("versions", {}).get("torch", "?")
    earlier = f" (some results of {', '.join(about['commits'])})" if about.get("commits") else ""
    return (
        f"Made on {about.get('machine', 'an unknown machine')} with {counted(about.get('jobs', 1), 'job')}, torch"
        f" {torch}, commit {about.get('commit') or 'unknown'}{earlier}, {about.get('date', '')}; models:"
        f" {models or 'none'}."
    )
