from __future__ import annotations

from dataclasses import replace

from scumble_lab.bench.attributes import left_to_right
from scumble_lab.bench.classifier import Reading, ReadObject
from scumble_lab.training.figures import confirmed, unseen_scenes
from scumble_lab.world import Scene


def truly_read(scene: Scene) -> Reading:
    objects = tuple(
        ReadObject(item.shape, item.color, item.material, item.size, x, {}) for item, x in left_to_right(scene)
    )
    return Reading(objects, scene.floor, scene.sky, {})


def test_a_true_reading_confirms_everything() -> None:
    scenes = unseen_scenes(6)
    assert set(confirmed(scenes, [truly_read(scene) for scene in scenes]).values()) == {1.0}


def test_exchanged_places_cost_the_order_alone() -> None:
    scenes = unseen_scenes(5, objects=2)
    turned = [replace(r, objects=r.objects[::-1]) for r in map(truly_read, scenes)]
    shares = confirmed(scenes, turned)
    assert shares.pop("order") == 0.0
    assert set(shares.values()) == {1.0}


def test_a_missing_object_counts_as_wrong() -> None:
    scenes = unseen_scenes(4, objects=2)
    halved = [replace(r, objects=r.objects[:1]) for r in map(truly_read, scenes)]
    shares = confirmed(scenes, halved)
    assert shares["shape"] == shares["whole_object"] == 0.5
    assert shares["count"] == shares["order"] == 0.0


def test_a_wrong_word_is_noticed() -> None:
    (scene,) = unseen_scenes(1, objects=1)
    reading = truly_read(scene)
    wrong = replace(reading.objects[0], shape="cube" if scene.objects[0].shape != "cube" else "cone")
    shares = confirmed([scene], [replace(reading, objects=(wrong,))])
    assert (shares["shape"], shares["color"], shares["whole_object"]) == (0.0, 1.0, 0.0)
