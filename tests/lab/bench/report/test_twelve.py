"""The sheet of twelve: the first cases of the run, whatever became of them, and how many did what was asked."""

from __future__ import annotations

import pytest
from PIL import Image

from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.collect import Collected, Row
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.report.groups import compared
from scumble_lab.bench.report.twelve import COUNT, first_cases, tally, unchosen

CASES = tuple(
    Case(id=f"{task}-{k}", task=task, instruction=f"do {task} {k}") for task in ("floor", "sky") for k in range(8)
)


def gray(value: int) -> Image.Image:
    return Image.new("RGB", (64, 64), (value, value, value))


@pytest.fixture
def collected(tmp_path) -> Collected:
    """Sixteen cases of two tasks; sdedit succeeds in its last cases only, plug-and-play in all but one."""
    benchmark = Benchmark(tmp_path, "made up", CASES, lambda case: Sample(case, gray(10), gray(20)))
    rows = []
    for case in CASES:
        k = int(case.id[-1])
        for name, success in (("sdedit", k > 4), ("plug-and-play", case.id != "floor-0")):
            (benchmark.results / name).mkdir(parents=True, exist_ok=True)
            gray(100 + k).save(benchmark.results / name / f"{case.id}.png")
            rows.append(Row(name, case, {"success": float(success), "psnr_in": 50.0 if success else 1.0}))
    return Collected(benchmark, rows, [], {})


def test_the_first_cases_are_shown_in_turn_whatever_became_of_them(collected: Collected) -> None:
    (group,) = compared(collected)
    order = [case.id for case in first_cases(collected, group)]
    assert order == [f"{task}-{k}" for k in range(6) for task in ("floor", "sky")] and len(order) == COUNT
    grid = unchosen(collected, group)
    assert grid is not None and grid.heads[0] == ("do floor 0",) and len(grid.heads) == COUNT
    source, target, sdedit, plug = grid.lines
    assert [line.name for line in (source, target, sdedit, plug)] == [
        "source",
        "true result",
        "sdedit",
        "plug-and-play",
    ]
    values = [strip.pictures[0].getpixel((0, 0))[0] for strip in sdedit.strips if strip.pictures[0]]
    assert values == [100 + k for k in range(6) for _ in range(2)]
    assert [strip.caption for strip in plug.strips] == ["no"] + ["yes"] * 11


def test_successes_are_counted_and_held_against_nine_of_twelve(collected: Collected) -> None:
    table = tally(collected, compared(collected))
    assert {row[1]: row[2:] for row in table.rows} == {
        "sdedit": ("2 of 12", "no"),
        "plug-and-play": ("11 of 12", "yes"),
    }


def test_a_case_that_a_method_has_not_done_is_not_counted(collected: Collected) -> None:
    collected.rows = [row for row in collected.rows if (row.editor, row.case.id) != ("sdedit", "sky-5")]
    table = tally(collected, compared(collected))
    assert next(row[2] for row in table.rows if row[1] == "sdedit") == "1 of 11"


def test_where_success_is_not_judged_there_is_no_sheet(collected: Collected) -> None:
    for row in collected.rows:
        row.figures.pop("success")
    assert unchosen(collected, compared(collected)[0]) is None
    assert tally(collected, compared(collected)).rows == ()
