"""The report names the right ones, and says with whom they are level."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scumble_lab.bench.case import Case
from scumble_lab.bench.collect import Collected, Row
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.report.groups import compared
from scumble_lab.bench.report.summary import glance
from scumble_lab.bench.report.tables import by_task, families
from scumble_lab.bench.tasks import draw


def collected(figures: dict[str, dict[str, list[tuple[float, float]]]]) -> Collected:
    """Results by editor and task: success and share kept of each case."""
    tasks = dict.fromkeys(task for by_task in figures.values() for task in by_task)
    count = max(len(values) for by_task in figures.values() for values in by_task.values())
    cases: dict[tuple[str, int], Case] = {(task, k): draw(task, k).case for task in tasks for k in range(count)}
    rows = [
        Row(editor, cases[task, k], {"success": done, "kept": kept, "forward_rows": 10.0, "backward_rows": 2.0})
        for editor, by_task in figures.items()
        for task, values in by_task.items()
        for k, (done, kept) in enumerate(values)
    ]
    benchmark = Benchmark(Path(), "made up", tuple(cases.values()), lambda case: draw(case.task, 0))
    return Collected(benchmark, rows, [], {})


def test_the_best_are_named_with_those_that_are_level_and_neither_doing_nothing_nor_one_case_is_best() -> None:
    found = glance(
        collected(
            {
                "ideal": {"floor": [(1, 1)] * 4},
                "sdedit": {"floor": [(1, 0.5)] * 4},
                "ddim-inversion": {"floor": [(1, 0.7), (1, 0.7), (1, 0.7), (0, 0.7)]},
                "ddpm-inversion": {"floor": [(0.5, 0.9)] * 4},
                "plug-and-play": {"floor": [(0, 1)] * 4},
                "cycle-diffusion": {"floor": [(1, 1)]},
            }
        )
    )
    most, keeps = (dict(zip(found.head, row, strict=True)) for row in found.rows)
    assert [(line["methods"], line["tasks"], line["n"]) for line in (most, keeps)] == [("Words", "floor", "4")] * 2
    assert (most["which"], keeps["which"]) == ("succeeds most", "keeps the rest best")
    assert most["method"] == "sdedit" and most["success %"] == "100 [100, 100]" and most["rows"] == "10 + 2"
    assert most["level with it"] == "ddim-inversion"
    assert keeps["method"] == "ddpm-inversion" and keeps["level with it"] == "none"
    assert keeps["rest kept %"] == "90 [90, 90]" and keeps["success %"] == "50 [50, 50]"


def test_families_without_a_common_task_are_compared_in_parts() -> None:
    found = collected(
        {
            "identity": {"move": [(0, 1)], "floor": [(0, 1)]},
            "self-guidance": {"move": [(1, 1)]},
            "self-guidance-off": {"move": [(0, 1)]},
            "asyrp": {"floor": [(1, 1)]},
            "asyrp-off": {"floor": [(0, 1)]},
            "stranger": {"floor": [(1, 1)]},
        }
    )
    groups = [(group.names, group.tasks, group.title, group.key) for group in compared(found)]
    assert groups == [
        (("self-guidance", "self-guidance-off"), ("move",), "Guidance, self-guidance: move", "guidance-move"),
        (("stranger", "asyrp", "asyrp-off"), ("floor",), "Guidance, asyrp: floor", "guidance-floor"),
    ]
    assert [[row[0] for row in table.rows] for table in families(found)] == [
        ["identity", "self-guidance", "self-guidance-off"],
        ["identity", "stranger", "asyrp", "asyrp-off"],
    ]


def test_a_row_for_fewer_tasks_stands_beside_those_of_its_method_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for_floor = replace(EDITORS["asyrp"], name="asyrp-floor", tasks=("floor",))
    known = {**EDITORS, "asyrp-floor": for_floor}
    for module in ("collect", "report.groups", "report.tables"):
        monkeypatch.setattr(f"scumble_lab.bench.{module}.EDITORS", known)
    both = {"floor": [(1, 1)], "rematerial": [(1, 1)]}
    found = collected({"asyrp": both, "asyrp-floor": {"floor": [(1, 1)]}, "self-guidance": {"move": [(1, 1)]}})
    assert [(group.names, group.title) for group in compared(found)] == [
        (("self-guidance",), "Guidance, self-guidance: move"),
        (("asyrp",), "Guidance, asyrp: floor, rematerial"),
        (("asyrp", "asyrp-floor"), "Guidance, asyrp: floor"),
    ]


def test_where_nothing_is_judged_or_nothing_succeeds_there_is_no_line() -> None:
    assert glance(collected({"sdedit": {"floor": [(0, 1)]}, "plug-and-play": {"floor": [(0, 1)]}})).rows == ()
    assert glance(collected({"sdedit": {"floor": [(1, 1)]}})).rows == ()


def test_who_has_few_cases_is_marked_and_trivial_editors_are_shown_on_the_cases_of_the_methods() -> None:
    found = collected(
        {
            "ideal": {"floor": [(1, 1)] * 9},
            "sdedit": {"floor": [(1, 1)] * 5},
            "plug-and-play": {"floor": [(0, 1)] * 2},
        }
    )
    (table,) = families(found)
    assert [row[:2] for row in table.rows] == [("ideal", "5"), ("sdedit", "5"), ("plug-and-play", "2 of 5")]
    assert "Too few cases to be compared with the others yet: plug-and-play." in table.note


def test_task_by_task_a_family_shows_its_own_tasks_only() -> None:
    found = collected(
        {
            "identity": {"move": [(0, 1)], "floor": [(0, 1)], "sky": [(0, 1)]},
            "sdedit": {"floor": [(1, 1)], "sky": [(0, 1)]},
            "self-guidance": {"move": [(1, 1)]},
        }
    )
    heads = {table.title: table.head[1:] for table in by_task(found)}
    assert heads == {
        "Trivial editors and others: success % ↑": ("move", "floor", "sky"),
        "Trivial editors and others: rest kept % ↑": ("move", "floor", "sky"),
        "Words: success % ↑": ("floor", "sky"),
        "Words: rest kept % ↑": ("floor", "sky"),
    }
