"""The renderer: repeatable, independent of the batch, and true to the scene."""

from __future__ import annotations

import pytest
import torch

from scumble.errors import InputError
from scumble_lab.world import SHAPES, Object, Scene, edit, render, sample_scene, truths


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(seed) for seed in range(10)]


def test_pictures_are_bytes_of_the_asked_size(scenes: list[Scene]) -> None:
    pictures = render(scenes[:2], 24)
    assert pictures.shape == (2, 3, 24, 24)
    assert pictures.dtype == torch.uint8
    assert render([], 24).shape == (0, 3, 24, 24)


def test_rendering_is_bit_identical_from_run_to_run(scenes: list[Scene]) -> None:
    assert torch.equal(render(scenes, 32), render(scenes, 32))


def test_a_picture_does_not_depend_on_its_batch(scenes: list[Scene]) -> None:
    together = render(scenes, 32)
    alone = torch.cat([render([scene], 32) for scene in scenes])
    assert torch.equal(together, alone)


def test_more_samples_smooth_but_do_not_move_the_picture(scenes: list[Scene]) -> None:
    coarse, fine = (render(scenes, 32, samples).float() for samples in (1, 3))
    assert not torch.equal(coarse, fine)
    assert (coarse - fine).abs().mean() < 6


def test_half_size_picture_is_the_mean_of_the_full_one(scenes: list[Scene]) -> None:
    small = render(scenes, 24, samples=4).float()
    large = torch.nn.functional.avg_pool2d(render(scenes, 48, samples=2).float(), 2)
    assert (small - large).abs().mean() < 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("color", "floor"), [("white", "snow"), ("yellow", "sand"), ("green", "grass"), ("blue", "water")]
)
def test_objects_stand_out_from_a_floor_of_their_colour(shape: str, color: str, floor: str) -> None:
    scene = sample_scene(3, objects=1, shape=shape, color=color, floor=floor, size="large", material="matte")
    picture, empty = render([scene, edit(scene, "remove")], 64).float()
    mask = truths(scene, 64).masks[0]
    assert (picture - empty).abs().amax(0)[mask].median() > 20


def test_the_sphere_has_its_colour_and_the_torus_its_hole() -> None:
    ball = Scene((Object("sphere", "red"),), floor="plain")
    x, y = (int(value) for value in truths(ball, 64).centers[0])
    red, green, blue = render([ball], 64)[0, :, y, x].tolist()
    assert red > 2 * max(green, blue)
    ring = Scene((Object("torus", "red", yaw=0.0),), floor="plain")
    seen = truths(ring, 64)
    x, y = (int(value) for value in seen.centers[0])
    assert seen.ids[y, x] == -1
    assert seen.masks[0, y].sum() > 10


def test_large_is_clearly_larger_than_small_whatever_the_camera() -> None:
    def widths(size: str) -> list[float]:
        boxes = [sample_scene(seed, objects=1, shape="sphere", size=size).boxes()[0] for seed in range(20)]
        return [right - left for left, _, right, _ in boxes]

    assert min(widths("large")) > 1.3 * max(widths("small"))


def test_stripes_and_metal_look_different_from_matte() -> None:
    for shape in SHAPES:
        matte = Scene((Object(shape, "blue"),), floor="plain")
        mask = truths(matte, 64).masks[0]
        for material in ("metal", "striped"):
            other = edit(matte, "rematerial", material)
            a, b = render([matte, other], 64).float()
            assert (a - b).abs().amax(0)[mask].mean() > 12, (shape, material)


def test_panned_pictures_agree_where_both_see(scenes: list[Scene]) -> None:
    for scene in scenes[:4]:
        here, there = render([scene, edit(scene, "pan", right=0.25)], 64).int()
        # Equal but for the last bit of a ray's direction, which may move an edge.
        assert ((here[:, :, 16:] - there[:, :, :-16]).abs() > 1).float().mean() < 0.003


def test_nonsense_sizes_are_refused(scenes: list[Scene]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        render(scenes, 0)
