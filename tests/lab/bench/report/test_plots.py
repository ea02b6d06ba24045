"""The report's plots: each comparison has one, and they say what is on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scumble_lab.bench.case import Case
from scumble_lab.bench.collect import Collected, Row
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.report.plots import preservation_plots, success_against_cost
from scumble_lab.bench.tasks import draw

pytest.importorskip("matplotlib")


def collected(
    figures: dict[str, dict[str, float]], count: dict[str, int], task: str, style: str = "world"
) -> Collected:
    cases = (
        [draw(task, k).case for k in range(4)] if style == "world" else [Case(id=str(k), task=task) for k in range(4)]
    )
    benchmark = Benchmark(Path(), "made up", tuple(cases), lambda case: draw(task, 0), style=style)
    rows = [Row(name, case, figures[name]) for name in figures for case in cases[: count.get(name, 4)]]
    return Collected(benchmark, rows, [], {})


def done(success: float, outside: float, forward: float = 10.0) -> dict[str, float]:
    return {"success": success, "psnr_out": outside, "forward_rows": forward, "backward_rows": 2.0}


@pytest.mark.parametrize(
    ("task", "names"),
    [("move", ("warp-drag", "drag-noise")), ("resize", ("self-guidance", "self-guidance-off")), ("floor", ("sdedit",))],
)
def test_each_family_has_preservation_against_success_beside_the_trivial_editors(
    task: str, names: tuple[str, ...]
) -> None:
    figures = {"identity": {"success": 0.0, "psnr_out": 45.0}, **{name: done(1, 30) for name in names}}
    (plot,) = preservation_plots(collected(figures, {}, task))
    for said in (*figures, "PSNR outside (limited to 50 dB), more is better", "success %, more is better"):
        assert f">{said}</text>" in plot.svg
    assert plot.svg.startswith("<svg") and task in plot.says and "Hollow" not in plot.says


def test_who_has_few_cases_is_hollow_and_says_of_how_many(tmp_path: Path) -> None:
    found = collected({"sdedit": done(1, 30), "plug-and-play": done(1, 20)}, {"plug-and-play": 1}, "floor")
    (plot,) = preservation_plots(found)
    assert ">plug-and-play (1 of 4 cases)</text>" in plot.svg and ">sdedit</text>" in plot.svg
    assert plot.says.endswith("Hollow: too few cases yet.")


def test_other_benchmarks_are_plotted_by_the_figures_that_they_publish() -> None:
    found = collected({"sdedit": {"background_psnr": 20.0, "clip": 25.0}}, {}, "change colour", "pie-bench")
    (plot,) = preservation_plots(found)
    assert ">CLIP, more is better</text>" in plot.svg and "background PSNR" in plot.svg
    assert not preservation_plots(collected({"sdedit": {"clip": 25.0}}, {}, "ti2i", "ti2i"))


def test_a_backward_row_costs_two_and_who_costs_nothing_is_not_on_the_plot_of_cost() -> None:
    figures = {"identity": {"success": 1.0}, "sdedit": done(1, 30), "plug-and-play": done(0.5, 30, 96.0)}
    plot = success_against_cost(collected(figures, {}, "floor"))
    assert plot is not None and ">identity</text>" not in plot.svg and ">100</text>" in plot.svg
    assert success_against_cost(collected({"identity": {"success": 1.0}}, {}, "floor")) is None


def test_the_same_figures_give_the_same_plot() -> None:
    figures = {"sdedit": done(1, 30), "plug-and-play": done(0.5, 30)}
    one, two = (preservation_plots(collected(figures, {}, "floor")) for _ in range(2))
    assert one == two
