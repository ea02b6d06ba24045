"""Benchmark cases: the truth is the truth, and folders come back as they were written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scumble.errors import InputError
from scumble_lab.bench.folder import make, open_folder
from scumble_lab.bench.results import find_results, result_picture
from scumble_lab.bench.tasks import TASKS, draw
from scumble_lab.world import Scene, correspond, render


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("bench") / "b"
    make(where, TASKS, 1, seed=5, size=48)
    return where


@pytest.mark.parametrize("task", TASKS)
def test_a_case_is_what_its_scenes_say(task: str) -> None:
    sample = draw(task, 2, size=48)
    case = sample.case
    before, after = case.scene_before, case.scene_after
    assert before is not None and after is not None and sample.target is not None and sample.change is not None
    shown = render([before, after], 48).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(np.asarray(sample.target), shown[1])
    differs = (np.abs(np.asarray(sample.source).astype(int) - np.asarray(sample.target)) > 12).any(-1)
    if task == "outpaint":
        assert not differs[~sample.change].any()
    else:
        assert np.array_equal(np.asarray(sample.source), shown[0])
        assert np.array_equal(differs, sample.change)
    assert sample.region is not None
    if task not in ("floor", "outpaint"):
        assert sample.region[sample.change].all()
    again = draw(task, 2, size=48)
    assert again.case == case and np.array_equal(np.asarray(again.source), np.asarray(sample.source))


def test_moved_points_are_where_the_surface_went() -> None:
    for number in range(3):
        case = draw("move", number).case
        before, after = case.scene_before, case.scene_after
        assert isinstance(before, Scene) and isinstance(after, Scene)
        x0, y0, x1, y1 = case.points[0]
        found = correspond(before, after, [(x0 + 0.5, y0 + 0.5)])
        assert found.visible.all()
        assert math.dist(found.points[0] - 0.5, (x1, y1)) < 0.01
        assert 4 < math.dist((x0, y0), (x1, y1)) < 50


def test_a_folder_comes_back_as_it_was_drawn(folder: Path) -> None:
    benchmark = open_folder(folder)
    assert benchmark.tasks == TASKS
    for case in benchmark.cases:
        sample, drawn = benchmark.sample(case.id), draw(case.task, 0, seed=5, size=48)
        assert sample.case == drawn.case
        for name in ("source", "target", "change", "region"):
            assert np.array_equal(np.asarray(getattr(sample, name)), np.asarray(getattr(drawn, name)))


def test_more_cases_are_added_and_another_seed_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "b", ("floor",), 1, size=32)
    first = (tmp_path / "b/cases/floor-000/case.json").stat().st_mtime_ns
    more = make(tmp_path / "b", ("floor", "sky"), 2, size=32)
    assert len(more.cases) == 4
    assert (tmp_path / "b/cases/floor-000/case.json").stat().st_mtime_ns == first
    with pytest.raises(InputError, match="seed 0, not 1"):
        make(tmp_path / "b", ("floor",), 1, seed=1, size=32)


def test_a_folder_with_missing_files_says_which(tmp_path: Path) -> None:
    make(tmp_path / "b", ("floor",), 2, size=32)
    (tmp_path / "b/cases/floor-001/source.png").unlink()
    with pytest.raises(InputError, match=r"floor-001/source\.png"):
        open_folder(tmp_path / "b")
    with pytest.raises(InputError, match=r"benchmark\.json"):
        open_folder(tmp_path)


def test_missing_extra_and_wrong_results_are_told_apart(tmp_path: Path) -> None:
    benchmark = make(tmp_path / "b", ("floor",), 3, size=32)
    mine = benchmark.results / "mine"
    mine.mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(mine / "floor-000.png")
    Image.new("RGB", (16, 32)).save(mine / "floor-001.png")
    Image.new("RGB", (32, 32)).save(mine / "other.png")
    found = find_results(benchmark, "mine")
    assert found.pictures == ("floor-000", "floor-001")
    assert found.missing == ("floor-002",)
    assert found.extra == ("other.png",)
    result_picture(benchmark, "mine", benchmark.sample("floor-000"))
    with pytest.raises(InputError, match="16x32, the source is 32x32"):
        result_picture(benchmark, "mine", benchmark.sample("floor-001"))


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(InputError, match="recolour"):
        draw("recolor", 0)
