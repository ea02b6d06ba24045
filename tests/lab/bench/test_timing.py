"""The time that a benchmark took: resumed runs add up, and what is not known is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark, make, write_json
from scumble_lab.bench.formatting import counted, duration
from scumble_lab.bench.run import Workshop, run
from scumble_lab.bench.timing import spent


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    return make(tmp_path / "b", ("floor",), 2, size=32)


def noted(benchmark: Benchmark, name: str, began: float, seconds: float, jobs: int, made: int) -> None:
    write_json(benchmark.folder / "runs" / f"{name}.json", {"began": began, "seconds": seconds, "jobs": jobs,
                                                            "made": made, "failed": 0})  # fmt: skip


def filed(benchmark: Benchmark, count: int, seconds: float) -> None:
    for k in range(count):
        path = benchmark.results / "sdedit" / f"floor-{k:03d}.json"
        write_json(path, {"mark": {}, "seconds": seconds, "cost": {"seconds": 1.0}})
        path.with_suffix(".png").touch()


def test_runs_add_up_and_where_two_overlap_the_clock_counts_once(benchmark: Benchmark) -> None:
    noted(benchmark, "a", 1000, 60, 1, 1)
    noted(benchmark, "b", 1030, 90, 1, 1)  # beside the first for half a minute
    noted(benchmark, "c", 9000, 3600, 2, 2)
    noted(benchmark, "inside", 9100, 5, 2, 0)
    filed(benchmark, 4, 1800)
    told = spent(benchmark)
    assert (told.results, told.working, told.runs, told.jobs, told.made) == (4, 7200, 4, (1, 2), 4)
    assert told.wall == 120 + 3600
    assert told.text() == (
        "Its 4 results took 2 h 0 min, added up one by one; the 4 runs together, with 1 and 2 jobs, took 1 h 2 min by"
        " the clock."
    )


def test_results_that_no_noted_run_made_and_ones_that_are_gone_are_told(benchmark: Benchmark) -> None:
    filed(benchmark, 3, 10)
    assert (
        spent(benchmark).text()
        == "Its 3 results took 30 s, added up one by one; what that was by the clock is not recorded."
    )
    noted(benchmark, "a", 1000, 20, 1, 2)
    assert spent(benchmark).text().endswith("Of 1 of the results the clock's time was not recorded.")
    noted(benchmark, "b", 2000, 20, 1, 2)
    assert spent(benchmark).text().endswith("1 of the 4 results made in that time were replaced or removed.")


def test_every_run_that_makes_something_leaves_a_note_and_one_that_does_not_leaves_none(benchmark: Benchmark) -> None:
    shop, editors = Workshop(), [EDITORS["identity"], EDITORS["noise"]]
    assert spent(benchmark).text() == ""
    run(benchmark, editors, shop, count=1)
    run(benchmark, editors, shop)
    run(benchmark, editors, shop)
    notes = [json.loads(path.read_text()) for path in sorted((benchmark.folder / "runs").iterdir())]
    assert sorted((note["made"], note["failed"], note["jobs"]) for note in notes) == [(2, 0, 1), (2, 0, 1)]
    told = spent(benchmark)
    assert (told.results, told.made, told.runs) == (4, 4, 2) and told.working > 0


def test_what_other_software_writes_there_does_not_disturb(benchmark: Benchmark) -> None:
    filed(benchmark, 1, 10)
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"began": "noon", "seconds": []}'), ("d", '{"seconds": 3}')):
        path = benchmark.folder / "runs" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    write_json(benchmark.results / "sdedit" / "floor-000.json", {"mark": {}, "seconds": "x", "cost": {"seconds": 2.0}})
    assert (spent(benchmark).runs, spent(benchmark).working) == (0, 2.0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (6060, "1 h 41 min")],
)
def test_durations_are_said_as_a_person_would(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_what_is_counted_is_in_the_plural_unless_it_is_one() -> None:
    assert [counted(n, w) for n, w in ((0, "case"), (1, "case"), (2, "entry"))] == ["0 cases", "1 case", "2 entries"]
