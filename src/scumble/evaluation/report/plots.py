"""The report's plots, as SVG text without fixed ids or dates: the same figures give the same file."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from scumble.errors import InputError
from scumble.evaluation.collect import Collected
from scumble.evaluation.editors import EDITORS
from scumble.evaluation.report.tables import common_tasks
from scumble.evaluation.statistics import mean_of

__all__ = ["Plot", "curves_plot", "preservation_plot", "success_against_cost"]

Plot = str
"""SVG text."""

_MARKS = {"trivial": "x", "words": "o", "region": "s", "drag": "^", "guidance": "D"}


def preservation_plot(collected: Collected, family: str) -> Plot | None:
    """PSNR outside the true change against success, with intervals, for a family and the trivial editors."""
    names = [n for n in collected.editors if n in EDITORS and EDITORS[n].family == family]
    tasks = common_tasks(collected, names)
    if not names or not tasks:
        return None
    shown = [n for n in collected.editors if n in names or (n in EDITORS and EDITORS[n].family == "trivial")]
    points = []
    for name in shown:
        out = mean_of([min(x, 50.0) for x in collected.values(name, "psnr_out", tasks)])
        done = mean_of(collected.values(name, "success", tasks))
        if out.count and done.count:
            points.append((name, out, done))
    if not points:
        return None
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(7.6, 4.2))
    for k, (name, out, done) in enumerate(points):
        x, y = out.value, 100 * done.value
        spread = [[x - out.low], [out.high - x]], [[y - 100 * done.low], [100 * done.high - y]]
        axes.errorbar(x, y, xerr=spread[0], yerr=spread[1], fmt=_MARKS[EDITORS[name].family], color=f"C{k % 10}",
                      capsize=2, lw=0.8, ms=6, label=name)  # fmt: skip
    axes.set_xlabel("PSNR outside the true change (dB, limited to 50)")
    axes.set_ylabel("success (%)")
    axes.set_ylim(-5, 105)
    axes.set_title(f"{family}: {', '.join(tasks)}", fontsize=9)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return _svg(figure)


def success_against_cost(collected: Collected) -> Plot | None:
    """Success on each method's own tasks against rows through the network (a backward row counts two)."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(7.6, 4.2))
    drawn = 0
    for name in collected.editors:
        rows = collected.of(name)
        spent = [
            r.figures["forward_rows"] + 2 * r.figures["backward_rows"] for r in rows if "backward_rows" in r.figures
        ]
        done = mean_of(collected.values(name, "success"))
        if not spent or not done.count or name not in EDITORS or not max(spent):
            continue
        x, y = sum(spent) / len(spent), 100 * done.value
        mark = _MARKS[EDITORS[name].family]
        axes.plot(x, y, mark, color=f"C{drawn % 10}", fillstyle="full" if drawn < 10 else "none", label=name)
        drawn += 1
    axes.set_xlabel("rows through the network for one edit (a backward row counts two)")
    axes.set_ylabel("success on its own tasks (%)")
    axes.set_xscale("log")
    axes.set_ylim(-5, 105)
    if not drawn:
        pyplot.close(figure)
        return None
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return _svg(figure)


def curves_plot(
    title: str, x_label: str, y_label: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> Plot:
    """Named curves (x, y)."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(5.2, 3.2))
    for k, (name, (x, y)) in enumerate(curves.items()):
        axes.plot(x, y, "." * (len(x) < 30) + "-", label=name, color=f"C{k % 10}", lw=1.2)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7)
    return _svg(figure)


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


def _svg(figure: Any) -> Plot:
    out = io.StringIO()
    figure.tight_layout()
    figure.savefig(out, format="svg", metadata={"Date": None})
    _pyplot().close(figure)
    text = out.getvalue()
    return text[text.index("<svg") :]
