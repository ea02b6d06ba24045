"""The test of the metrics: ideal comes out best, identity keeps but does not succeed, noise fails at both."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from scumble_lab.bench.case import Sample
from scumble_lab.bench.classifier import BUNDLED, Reading, ReadObject
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.metrics.success import kept_share, succeeded
from scumble_lab.bench.score import METRICS, overall, score
from scumble_lab.bench.selection import editors_for, named_editors
from scumble_lab.bench.tasks import TASKS, draw
from scumble_lab.world import Object, Scene

TRIVIAL = ("ideal", "identity", "noise")


def trivial(name: str, sample: Sample):
    make = EDITORS[name].trivial
    assert make is not None
    return make(sample, 1)


@pytest.fixture(scope="module")
def scored() -> dict[str, dict[str, list[dict[str, float]]]]:
    judges = Judges.load()
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for task in TASKS:
        samples = [draw(task, number) for number in range(3)]
        for name in TRIVIAL:
            made = [trivial(name, sample) for sample in samples]
            read = judges.readings(made) or [None] * len(made)
            found.setdefault(task, {})[name] = [
                score(s, m, judges, r) for s, m, r in zip(samples, made, read, strict=True)
            ]
    return found


def mean(rows: list[dict[str, float]], key: str) -> float:
    values = [row[key] for row in rows if not math.isnan(row[key])]
    return sum(values) / len(values) if values else math.nan


@pytest.mark.parametrize("task", TASKS)
def test_nearness_to_the_truth_puts_ideal_first_identity_second_and_noise_last(task: str, scored) -> None:
    rows = scored[task]
    assert mean(rows["ideal"], "psnr") == 60
    assert mean(rows["ideal"], "psnr_in") > mean(rows["identity"], "psnr_in") > mean(rows["noise"], "psnr_in")
    if task != "sky":  # another light leaves nothing as it was
        assert mean(rows["ideal"], "psnr_out") >= mean(rows["identity"], "psnr_out") > 35
        assert mean(rows["noise"], "psnr_out") < 12
    assert all(set(row) <= set(METRICS) for row in rows["ideal"])


def test_an_object_that_was_not_resized_has_its_whole_change_of_size_left(scored) -> None:
    rows = scored["resize"]
    assert [row["resized"] for row in rows["identity"]] == [1, 1, 1]
    assert max(row["resized"] for row in rows["ideal"]) <= 0.15
    assert all("resized" not in row for row in scored["move"]["ideal"])


def test_an_object_that_was_not_moved_has_its_whole_way_left(scored) -> None:
    rows = scored["move"]
    assert all(row["moved"] == 0 and row["arrival"] == 0 for row in rows["ideal"])
    assert all(0.85 < row["moved"] < 1.2 for row in rows["identity"])


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="the bundled classifier is not there")
def test_success_is_the_truths_alone_and_identity_keeps_the_rest(scored) -> None:
    asked = [task for task in TASKS if task != "outpaint"]
    rows = {name: [row for task in asked for row in scored[task][name]] for name in TRIVIAL}
    assert mean(rows["ideal"], "success") > 0.9
    assert mean(rows["identity"], "success") < 0.05
    assert mean(rows["noise"], "success") < 0.1
    assert mean(rows["ideal"], "kept") > 0.95
    assert mean(rows["identity"], "kept") > 0.85
    assert mean(rows["noise"], "kept") < 0.6
    scores = {name: sum(map(overall, found)) / len(found) for name, found in rows.items()}
    assert scores["ideal"] > scores["identity"] > scores["noise"]


def read_of(scene: Scene, **changes: str) -> Reading:
    """A perfect reading of a scene; `changes` alter its first object, floor or sky."""
    order = sorted(zip(scene.boxes(), scene.objects, strict=True), key=lambda pair: pair[0][0] + pair[0][2])
    objects = [
        ReadObject(o.shape, o.color, o.material, o.size, (b[0] + b[2]) / 2, {}) for b, o in order
    ]  # fmt: skip
    own = {k: v for k, v in changes.items() if k not in ("floor", "sky")}
    if own:
        objects[0] = replace(objects[0], **own)
    return Reading(tuple(objects), changes.get("floor", scene.floor), changes.get("sky", scene.sky), {})


@pytest.mark.parametrize("task", [task for task in TASKS if task != "outpaint"])
def test_a_perfect_reading_succeeds_and_a_reading_of_the_source_does_not(task: str) -> None:
    case = draw(task, 0).case
    before, after = case.scene_before, case.scene_after
    assert before is not None and after is not None
    assert succeeded(case, read_of(after), left=0.0) == 1
    assert succeeded(case, read_of(before), left=1.0) == 0
    assert kept_share(case, read_of(after)) == 1


def test_one_wrong_attribute_is_no_success_and_one_wrong_floor_is_not_kept() -> None:
    scene = Scene((Object("cube", "red"),))
    case = draw("recolour", 0).case.model_copy(
        update={"before": scene.to_dict(), "after": scene.to_dict(), "item": 0, "attribute": "color", "word": "red"}
    )
    assert succeeded(case, read_of(scene, color="blue")) == 0
    assert succeeded(case, read_of(scene, material="metal")) == 1
    assert succeeded(case, read_of(scene, shape="cone")) == 0  # nothing is left by which it is recognised
    assert kept_share(case, read_of(scene, color="blue")) == 1
    assert kept_share(case, read_of(scene, floor="sand")) < 1
    assert kept_share(case, read_of(scene, shape="cone")) < 1
    assert succeeded(case, Reading((), "plain", "day", {})) == 0


def test_every_editor_builds_its_method_for_every_task_it_is_for() -> None:
    samples = {task: draw(task, 0) for task in TASKS}
    for editor in editors_for(TASKS):
        for task in TASKS:
            if editor.method is not None and editor.takes(samples[task].case):
                assert editor.build(samples[task]).method_name()


def test_an_editor_with_directions_takes_the_cases_whose_word_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scumble_lab.bench.editors.bundled_directions", lambda: {"snow": None})
    sample = draw("floor", 0, words=("snow",))
    assert sample.case.word == "snow"
    asyrp = EDITORS["asyrp"]
    assert asyrp.takes(sample.case)
    assert not asyrp.takes(sample.case.model_copy(update={"word": "sand"}))
    assert not asyrp.takes(draw("move", 0).case)
    assert asyrp.build(sample).model_dump()["directions"] == ("snow",)


def test_editors_are_named_by_name_or_family() -> None:
    names = [editor.name for editor in named_editors("trivial,sdedit,trivial", TASKS)]
    assert names == [*TRIVIAL, "sdedit"]
    with pytest.raises(Exception, match="sdedit"):
        named_editors("sdedti", TASKS)
    variants = named_editors("variants", TASKS)
    assert "ddim-inversion-guidance-2" in {editor.name for editor in variants}
    assert not set(variants) & set(named_editors("all,words", TASKS))
    assert named_editors("all", TASKS) == [e for e in EDITORS.values() if not e.variant]
    with pytest.raises(Exception, match="none of these tasks"):
        named_editors("warp-drag", ("floor",))
