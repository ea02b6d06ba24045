"""Truths: masks, boxes, depth and correspondences agree with the picture and with each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scumble.errors import InputError
from scumble_lab.world import Object, Scene, change_mask, correspond, edit, sample_scene, truths


@pytest.fixture(scope="module")
def pair() -> Scene:
    return Scene(
        (Object("sphere", "red", size="small", x=-0.8), Object("cube", "blue", size="small", x=0.7, yaw=0.5)),
        floor="plain",
    )


def _points(mask: torch.Tensor, step: int = 5) -> np.ndarray:
    return mask.nonzero()[::step].flip(-1).double().numpy() + 0.5


def test_masks_ids_and_boxes_agree_and_fill_the_predicted_box() -> None:
    for seed in range(15):
        scene = sample_scene(seed)
        seen = truths(scene, 64)
        for number, (mask, pixels, box) in enumerate(zip(seen.masks, seen.boxes, scene.boxes(), strict=True)):
            assert torch.equal(mask, seen.ids == number)
            assert pixels is not None
            assert np.allclose(pixels, np.array(box) * 64, atol=1.6), scene.objects[number]


def test_depth_grows_towards_the_horizon_and_objects_stand_before_the_floor(pair: Scene) -> None:
    seen, empty = truths(pair, 48), truths(Scene((), floor="plain"), 48)
    assert (empty.depth[:-1] >= empty.depth[1:]).all()
    assert torch.isinf(empty.depth[0]).all()
    on_object = seen.ids >= 0
    assert (seen.depth[on_object] < empty.depth[on_object]).all()
    assert torch.equal(seen.depth[~on_object], empty.depth[~on_object])


def test_an_object_panned_away_has_no_box(pair: Scene) -> None:
    assert truths(edit(pair, "pan", right=0.5), 32).boxes[0] is None


def test_same_scene_corresponds_to_itself(pair: Scene) -> None:
    points = np.concatenate([_points(mask) for mask in truths(pair, 64).masks] + [[[20.5, 60.5]]])
    found = correspond(pair, pair, points, 64)
    assert np.allclose(found.points, points, atol=1e-2)
    assert found.visible.all()


@pytest.mark.parametrize(
    "after",
    [("move", {"by": (-0.1, 1.0)}), ("move", {"to": (0.25, 0.5)}), ("resize", {"size": "large"})],
)
def test_points_of_a_changed_object_land_on_it(pair: Scene, after: tuple[str, dict[str, object]]) -> None:
    kind, values = after
    scene = edit(pair, kind, which=0, **values)
    before_masks, after_masks = truths(pair, 64).masks, truths(scene, 64).masks
    found = correspond(pair, scene, _points(before_masks[0]), 64)
    assert found.visible.mean() > 0.8
    x, y = found.points[found.visible].astype(int).T
    assert after_masks[0][y, x].float().mean() > 0.95
    still = correspond(pair, scene, _points(before_masks[1]), 64)
    assert np.allclose(still.points, _points(before_masks[1]), atol=1e-2)


def test_turning_an_object_hides_the_points_that_turn_away(pair: Scene) -> None:
    items = (pair.objects[0], Object("cube", "blue", size="small", x=0.7, yaw=0.5 + np.pi))
    seen = truths(pair, 64)
    points = _points(seen.masks[1])
    sides = points[points[:, 1] > seen.centers[1][1]]  # the lower half of the box; the top stays visible
    found = correspond(pair, Scene(items, floor="plain"), sides, 64)
    assert len(sides) > 10
    assert not found.visible.any()


def test_removed_objects_have_no_correspondence_and_the_rest_keep_theirs(pair: Scene) -> None:
    masks, after = truths(pair, 64).masks, edit(pair, "remove", 0)
    gone = correspond(pair, after, _points(masks[0]), 64)
    assert np.isnan(gone.points).all()
    assert not gone.visible.any()
    kept = correspond(pair, after, _points(masks[1]), 64)
    assert np.allclose(kept.points, _points(masks[1]), atol=1e-2)
    assert kept.visible.all()


def test_floor_points_are_hidden_by_what_is_put_before_them(pair: Scene) -> None:
    point = [(x, y) for x, y in _points(truths(pair, 64).masks[0]) if y > 40][:3]
    empty = Scene((), floor="plain")
    assert not correspond(empty, pair, point, 64).visible.any()


def test_sky_and_outside_points_are_refused(pair: Scene) -> None:
    with pytest.raises(InputError, match="sky"):
        correspond(pair, pair, [(3.0, 1.0)], 64)
    with pytest.raises(InputError, match="0 to 64"):
        correspond(pair, pair, [(70.0, 1.0)], 64)


def test_nothing_changes_between_equal_scenes(pair: Scene) -> None:
    assert not change_mask(pair, pair, 32).any()
