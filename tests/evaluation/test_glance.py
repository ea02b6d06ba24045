"""The report's first table names the right ones, and says with whom they are level."""

from __future__ import annotations

from pathlib import Path

from scumble.evaluation.case import Case
from scumble.evaluation.collect import Collected, Row
from scumble.evaluation.folder import Benchmark
from scumble.evaluation.report.glance import glance
from scumble.evaluation.report.tables import compared, families
from scumble.evaluation.tasks import draw


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
    assert len(found.rows) == 1
    line = dict(zip([*found.head[:7], *(f"keeper {name}" for name in found.head[7:])], found.rows[0], strict=True))
    assert (line["methods"], line["tasks"], line["n"]) == ("words", "floor", "4")
    assert line["succeeds most"] == "sdedit" and line["success"] == "100 [100, 100]" and line["rows"] == "10 + 2"
    assert line["level"] == "ddim-inversion"
    assert line["keeper keeps the rest best"] == "ddpm-inversion" and line["keeper level"] == "–"
    assert line["keeper rest kept"] == "90 [90, 90]" and line["keeper its success"] == "50 [50, 50]"


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
    groups = [(group.names, group.tasks) for group in compared(found)]
    assert groups == [
        (("self-guidance", "self-guidance-off"), ("move",)),
        (("stranger", "asyrp", "asyrp-off"), ("floor",)),
    ]
    assert [[row[0] for row in table.rows] for table in families(found)] == [
        ["identity", "self-guidance", "self-guidance-off"],
        ["identity", "stranger", "asyrp", "asyrp-off"],
    ]


def test_where_nothing_is_judged_or_nothing_succeeds_there_is_no_line() -> None:
    assert glance(collected({"sdedit": {"floor": [(0, 1)]}, "plug-and-play": {"floor": [(0, 1)]}})).rows == ()
    assert glance(collected({"sdedit": {"floor": [(1, 1)]}})).rows == ()
