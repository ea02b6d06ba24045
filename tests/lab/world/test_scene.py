"""Scenes: what they refuse, and that drawing them by lot is repeatable."""

from __future__ import annotations

import json

import pytest

from scumble.errors import InputError
from scumble_lab.world import COLORS, FLOORS, MATERIALS, SHAPES, SIZES, SKIES, Object, Scene, sample_scene


def test_same_seed_same_scene_and_other_seed_other_scene() -> None:
    assert sample_scene(5) == sample_scene(5)
    assert sample_scene(5) != sample_scene(6)


def test_scene_survives_json() -> None:
    for seed in range(30):
        scene = sample_scene(seed)
        assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


def test_sampling_covers_every_word_and_mostly_one_and_two_objects() -> None:
    scenes = [sample_scene(seed) for seed in range(400)]
    items = [item for scene in scenes for item in scene.objects]
    assert {item.shape for item in items} == set(SHAPES)
    assert {item.color for item in items} == set(COLORS)
    assert {item.material for item in items} == set(MATERIALS)
    assert {item.size for item in items} == set(SIZES)
    assert {scene.floor for scene in scenes} == set(FLOORS)
    assert {scene.sky for scene in scenes} == set(SKIES)
    counts = [len(scene.objects) for scene in scenes]
    assert set(counts) == {1, 2, 3}
    assert counts.count(3) < 40


def test_sampled_objects_lie_inside_and_apart() -> None:
    for seed in range(60):
        boxes = sample_scene(seed, objects=1 + seed % 3).boxes()
        assert all(min(box) > 0 and max(box) < 1 for box in boxes)
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


def test_fixed_attributes_are_kept() -> None:
    scene = sample_scene(1, objects=2, floor="snow", shape="cone", color=("red", "blue"), size="large")
    assert scene.floor == "snow"
    assert [(item.shape, item.color, item.size) for item in scene.objects] == [
        ("cone", "red", "large"),
        ("cone", "blue", "large"),
    ]


def test_three_large_objects_find_room() -> None:
    for seed in range(5):
        assert [item.size for item in sample_scene(seed, objects=3, size="large").objects] == ["large"] * 3


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Object("shpere", "red"), "did you mean sphere"),
        (lambda: Object("cube", "gren"), "did you mean green"),
        (lambda: Object("cube", "red", x=float("nan")), "x must be a finite number"),
        (lambda: Scene((), floor="sandy"), "did you mean sand"),
        (lambda: Scene((Object("cube", "red", x=3.0),)), "object 1 leaves the picture"),
        (lambda: Scene((Object("cube", "red", y=-4.5),)), "object 1 leaves the picture"),
        (lambda: Scene((Object("cube", "red"), Object("cone", "blue", x=0.4))), "objects 1 and 2 overlap"),
        (lambda: Scene.from_dict({"objects": [], "flor": "sand"}), "did you mean floor"),
        (lambda: Scene.from_dict({"floor": "sand"}), "needs its list of objects"),
        (lambda: Scene.from_dict({"objects": [{"shape": "cube"}]}), "color"),
        (lambda: sample_scene(0, objects=4), "0 to 3 objects"),
        (lambda: sample_scene(0, colour="red"), "did you mean color"),
        (lambda: sample_scene(0, objects=2, color=("red",)), "names 1 objects"),
        (lambda: sample_scene(0, objects=3, size="large", shape="sphere", camera=sample_scene(0, 1).camera), "room"),
    ],
)
def test_bad_scenes_are_refused_with_the_reason(build, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says):
        build()
