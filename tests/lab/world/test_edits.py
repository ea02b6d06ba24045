"""Edits: each changes what it names and nothing else."""

from __future__ import annotations

import random

import pytest
import torch

from scumble.errors import InputError
from scumble_lab.world import EDITS, Object, Scene, change_mask, edit, sample_edit, sample_scene, truths


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(
        (Object("sphere", "red", size="small", x=-0.8), Object("cube", "blue", size="small", x=0.7)),
        floor="plain",
    )


def _grown(mask: torch.Tensor, by: int = 1) -> torch.Tensor:
    wide = torch.nn.functional.max_pool2d(mask[None].float(), 2 * by + 1, 1, by)
    return wide[0] > 0


def test_recolouring_changes_exactly_the_object(scene: Scene) -> None:
    mask = truths(scene, 64).masks[0]
    changed = change_mask(scene, edit(scene, "recolour", "green", which=0), 64)
    assert not (changed & ~_grown(mask)).any()
    assert changed[mask].float().mean() > 0.95


def test_rematerialising_keeps_the_outline(scene: Scene) -> None:
    after = edit(scene, "rematerial", "striped", which=1)
    assert torch.equal(truths(scene, 64).ids, truths(after, 64).ids)
    assert not (change_mask(scene, after, 64) & ~_grown(truths(scene, 64).masks[1])).any()


def test_reshaping_and_resizing_change_the_outline_in_place(scene: Scene) -> None:
    for kind, word in (("reshape", "torus"), ("resize", "large")):
        before, after = truths(scene, 64), truths(edit(scene, kind, word, which=0), 64)
        assert not torch.equal(before.masks[0], after.masks[0])
        assert torch.equal(before.masks[1], after.masks[1])
        assert abs(before.centers[0][0] - after.centers[0][0]) < 2


def test_moving_to_a_picture_position_gets_there(scene: Scene) -> None:
    after = edit(scene, "move", which=0, to=(0.25, 0.55))
    assert truths(after, 64).centers[0] == pytest.approx((16.0, 35.2), abs=0.01)


def test_removing_leaves_the_others_and_adding_brings_back(scene: Scene) -> None:
    empty = edit(scene, "remove", which=1)
    assert empty.objects == scene.objects[:1]
    assert edit(empty, "add", scene.objects[1]) == scene


def test_another_floor_leaves_the_sky_and_objects_in_place(scene: Scene) -> None:
    after = edit(scene, "floor", "checkered")
    changed = change_mask(scene, after, 64)
    assert not changed[torch.isinf(truths(scene, 64).depth)].any()
    assert torch.equal(truths(scene, 64).ids, truths(after, 64).ids)
    assert changed.any()


@pytest.mark.parametrize("kind", EDITS)
def test_every_kind_can_be_sampled_is_repeatable_and_visible(kind: str) -> None:
    for seed in range(4):
        before = sample_scene(seed, objects=1)
        after, said = sample_edit(before, kind, random.Random(seed))
        assert (after, said) == sample_edit(before, kind, random.Random(seed))
        assert said
        assert change_mask(before, after, 48).float().mean() > 0.005


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        ("recolor", {}, "did you mean recolour"),
        ("recolour", {"color": "gren"}, "did you mean green"),
        ("recolour", {}, "cannot recolour"),
        ("recolour", {"color": "red", "which": 2}, "no object 2"),
        ("recolour", {"color": "red", "which": 0}, "nothing"),
        ("move", {"by": (1.2, 0.0)}, "overlap"),
        ("move", {"by": (-3.0, 0.0)}, "leaves the picture"),
        ("move", {"to": (0.2, 0.05)}, "horizon|leaves"),
        ("move", {}, "either by"),
        ("pan", {"right": 3.0}, "at most one width"),
    ],
)
def test_impossible_edits_are_refused_with_the_reason(
    scene: Scene, kind: str, values: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        edit(scene, kind, **values)


def test_sampling_an_edit_of_an_empty_scene_says_why_not() -> None:
    with pytest.raises(InputError, match="found no possible remove"):
        sample_edit(Scene(()), "remove", random.Random(0))
