"""The report's plots, as SVG text without fixed ids or dates: the same figures give the same file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scumble.errors import InputError
from scumble_lab.bench.collect import Collected
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.report.groups import Group, compared, few, trivial
from scumble_lab.bench.score import METRICS
from scumble_lab.bench.statistics import mean_of
from scumble_lab.bench.verdicts import Curves

__all__ = ["Plot", "curves_plot", "preservation_plots", "success_against_cost"]

_MARKS = {"words": "o", "region": "s", "drag": "^", "guidance": "D"}
_PLAIN = {"ideal": "*", "identity": "P", "noise": "X"}
_PAIRS = {
    "world": ("psnr_out", "success"),
    "pie-bench": ("background_psnr", "clip"),
    "drag-bench": ("fidelity", "dragged"),
    "ti2i": ("structure", "clip"),
}
"""By which figures a style of benchmark tells how much is kept, and how well the edit is done."""
_LEGEND = {"fontsize": 7, "loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}
LIMIT = 50.0
"""PSNR beyond this is not told apart from more, so that the truth itself does not squeeze the rest together."""


@dataclass(frozen=True)
class Plot:
    """A plot as SVG text, what it shows in a line, and its name among files."""

    key: str
    says: str
    svg: str


def preservation_plots(collected: Collected) -> list[Plot]:
    """What is kept against what is done, for each group of methods with the trivial editors beside it."""
    style = collected.benchmark.style
    if style != "world":
        tasks, editors = collected.benchmark.tasks, collected.editors
        plots = [_preservation(collected, "all", "all methods", editors, tasks, _PAIRS[style])]
    else:
        plots = [_group_plot(collected, group) for group in compared(collected)]
    return [plot for plot in plots if plot is not None]


def _group_plot(collected: Collected, group: Group) -> Plot | None:
    names = [*trivial(collected, group.tasks), *group.names]
    return _preservation(collected.among(group.names), group.key, group.called, names, group.tasks, _PAIRS["world"])


def _preservation(
    collected: Collected, key: str, title: str, names: Sequence[str], tasks: Sequence[str], pair: tuple[str, str]
) -> Plot | None:
    """All on the left, the methods alone and larger on the right."""
    across, up = (METRICS[figure] for figure in pair)
    limit = LIMIT if "PSNR" in across.title else float("inf")
    points = []
    for name in names:
        x = mean_of([min(v, limit) for v in collected.values(name, pair[0], tasks)])
        y = mean_of(collected.values(name, pair[1], tasks))
        if x.count and y.count:
            points.append((name, x, y))
    methods = [name for name, _, _ in points if name not in _PLAIN]
    if not methods:
        return None
    behind = few(collected, methods, tasks)
    figure, (whole, near) = _pyplot().subplots(1, 2, figsize=(10.4, 4.2))
    for name, x, y in points:
        spread = [[[s * (m.value - m.low)], [s * (m.high - m.value)]] for m, s in ((x, across.scale), (y, up.scale))]
        label = f"{name} ({behind[name]} cases)" if name in behind else name
        for axes in (whole, near) if name in methods else (whole,):
            axes.errorbar(across.scale * x.value, up.scale * y.value, xerr=spread[0], yerr=spread[1], label=label,
                          capsize=2, lw=0.8, ms=6, **_look(name, name in behind))  # fmt: skip
    for axes, what in ((whole, "all"), (near, "the methods alone")):
        axes.grid(lw=0.4, color="0.9")
        axes.set_xlabel(
            f"{across.title}{f' (limited to {LIMIT:.0f} dB)' if limit == LIMIT else ''}, {_way(across.better)}"
        )
        axes.set_title(what, fontsize=9)
    if "%" in up.title:
        whole.set_ylim(-5, 105)
    whole.set_ylabel(f"{up.title}, {_way(up.better)}")
    handles = {
        label: handle for axes in (whole, near) for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    near.legend(handles.values(), handles.keys(), **_LEGEND)
    says = f"{title}: what is kept ({across.title}) against what is done ({up.title}), over {', '.join(tasks)}."
    return Plot(f"{key}-preservation", f"{says} Hollow: too few cases yet." if behind else says, _text(figure))


def _way(more: bool | None) -> str:
    return "more is better" if more else "less is better"


def _look(name: str, hollow: bool = False) -> dict[str, Any]:
    """Mark by family and colour within it, the same in all plots; trivial editors are grey."""
    if name in _PLAIN:
        return {"fmt": _PLAIN[name], "color": "0.45"}
    if name not in EDITORS:
        return {"fmt": "v", "color": "black", "mfc": "none" if hollow else "black"}
    family = EDITORS[name].family
    k = [other for other, editor in EDITORS.items() if editor.family == family].index(name)
    color = _pyplot().get_cmap("tab20")((2 * k + k // 10) % 20)
    return {"fmt": _MARKS[family], "color": color, "mfc": "none" if hollow else color}


def success_against_cost(collected: Collected) -> Plot | None:
    """Success on each method's own tasks against rows through the network (a backward row counts two)."""
    points = {}
    for name in (name for name in collected.editors if name in EDITORS):
        figures = [row.figures for row in collected.of(name)]
        rows = [f["forward_rows"] + 2 * f["backward_rows"] for f in figures if "backward_rows" in f]
        done = mean_of(collected.values(name, "success"))
        if done.count and any(rows):
            points[name] = sum(rows) / len(rows), 100 * done.value
    if not points:
        return None
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(8.4, 4.6))
    axes.grid(lw=0.4, color="0.9")
    for name, (x, y) in points.items():
        look = _look(name)
        axes.plot(x, y, look.pop("fmt"), label=name, ms=6, **look)
    axes.set_xlabel("rows through the network for one edit (a backward row counts two), less is better")
    axes.set_ylabel("success % on its own tasks, more is better")
    axes.set_xscale("log")
    for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        ticks(lambda value, _: f"{value:.0f}")
    axes.set_ylim(-5, 105)
    axes.legend(**_LEGEND)
    says = "What an edit costs against how often it succeeds, each method on its own tasks."
    return Plot("cost", says, _text(figure))


def curves_plot(key: str, curves: Curves) -> Plot:
    """Named curves (x, y) of an experiment."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(5.2, 3.2))
    for k, (name, (x, y)) in enumerate(curves.curves.items()):
        axes.plot(x, y, "." * (len(x) < 30) + "-", label=name, color=f"C{k % 10}", lw=1.2)
    axes.set_xlabel(curves.x)
    axes.set_ylabel(curves.y)
    axes.set_title(curves.title, fontsize=9)
    axes.legend(fontsize=7)
    return Plot(key, f"{curves.title} ({key}).", _text(figure))


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise InputError("the report needs its extras: pip install 'scumble[evaluation]'") from error
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "scumble", "svg.fonttype": "none", "axes.spines.top": False,
                                "axes.spines.right": False})  # fmt: skip
    from matplotlib import pyplot

    return pyplot


def _text(figure: Any) -> str:
    out = io.StringIO()
    figure.tight_layout()
    figure.savefig(out, format="svg", metadata={"Date": None})
    _pyplot().close(figure)
    text = out.getvalue()
    return text[text.index("<svg") :]
