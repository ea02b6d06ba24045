"""Drawn and derived maps: white = change, of the size that was asked for, with the strengths that were asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scumble import maps
from scumble.errors import CheckpointError, InputError
from scumble.images import load_map

SIZE = (40, 24)
DRAWN = [
    lambda size: maps.linear(size, 30),
    lambda size: maps.radial(size),
    lambda size: maps.strips(size),
    lambda size: maps.strength_fan(size),
    lambda size: maps.box(size, 0, 0, 1, 1, soft=3),
    lambda size: maps.ellipse(size, 0, 0, 1, 1, soft=3),
]


def _values(image: Image.Image) -> np.ndarray[Any, Any]:
    assert image.mode == "L"
    return np.asarray(image) / 255


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50))
def test_every_drawn_map_has_the_size_that_was_asked_for(width: int, height: int) -> None:
    for draw in DRAWN:
        made = draw((width, height))
        assert made.mode == "L" and made.size == (width, height)


def test_a_map_that_is_used_is_the_same_as_the_map_that_is_saved(tmp_path: Path) -> None:
    ramp = maps.linear(SIZE)
    ramp.save(tmp_path / "m.png")
    assert (load_map(ramp, SIZE)[0] == load_map(tmp_path / "m.png", SIZE)[0]).all()


def test_linear_goes_from_corner_to_corner_in_the_direction_of_its_angle() -> None:
    right = _values(maps.linear(SIZE))
    assert (right[:, 0] == 0).all() and (right[:, -1] == 1).all() and (np.diff(right, axis=1) > 0).all()
    down = _values(maps.linear(SIZE, angle=90))
    assert (down[0] == 0).all() and (down[-1] == 1).all() and (down == down[:, :1]).all()
    assert (_values(maps.linear(SIZE, angle=180)) == right[:, ::-1]).all()
    slant = _values(maps.linear(SIZE, angle=45))
    assert slant[0, 0] == 0 and slant[-1, -1] == 1


def test_linear_begins_ends_turns_and_steps() -> None:
    part = _values(maps.linear((101, 1), start=0.25, end=0.75, low=0.2, high=0.8))[0]
    assert np.allclose(part[[0, 25, 75, 100]], [0.2, 0.2, 0.8, 0.8])
    back = _values(maps.linear((101, 1), start=1.0, end=0.0))[0]
    assert np.allclose(back, np.linspace(1, 0, 101), atol=1 / 500)
    assert _values(maps.linear((100, 1), start=0.5, end=0.5)).sum() == 50


def test_radial_is_full_inside_and_gone_at_its_radius() -> None:
    disc = _values(maps.radial((41, 41), center=(20.5, 20.5), radius=15, inner=5))
    assert (disc[20, 16:25] == 1).all() and disc[20, 5] == 0 and disc[20, 36] == 0
    assert (disc == disc.T).all() and (np.diff(disc[20, 20:]) <= 0).all()


def test_strips_are_equal_and_their_strengths_even() -> None:
    row = _values(maps.strips((40, 2), 4, low=0.1, high=0.7))[0]
    assert np.allclose(row, np.repeat([0.1, 0.3, 0.5, 0.7], 10), atol=1 / 500)
    column = _values(maps.strips((2, 40), 5, angle=90))[:, 0]
    assert np.allclose(column, np.repeat([0, 0.25, 0.5, 0.75, 1], 8), atol=1 / 500)


def test_the_fan_grows_clockwise_from_the_top() -> None:
    fan = _values(maps.strength_fan((100, 100), 4))
    quadrants = [fan[:50, 50:], fan[50:, 50:], fan[50:, :50], fan[:50, :50]]
    assert np.allclose([q.mean() for q in quadrants], [0, 1 / 3, 2 / 3, 1], atol=1 / 500)
    assert all(q.std() < 1e-9 for q in quadrants)
    half = _values(maps.strength_fan((100, 100), 2, center=(50, 100), low=0.5, start=-180, sweep=180, radius=60))
    assert half[99, 0] == 0.5 or half[60, 20] == pytest.approx(0.5, abs=1 / 500)
    assert half[60, 80] == 1 and half[0, 0] == 0


def test_box_and_ellipse_cover_exactly_their_pixels() -> None:
    hard = _values(maps.box(SIZE, 5, 6, 15, 20, strength=0.6))
    assert np.count_nonzero(hard) == 140 and np.allclose(hard[6:20, 5:15], 0.6)
    soft = _values(maps.box(SIZE, 5, 6, 15, 20, soft=4))
    assert (soft[6:20, 5:15] == 1).all() and (np.diff(soft[10, 14:19]) < 0).all() and (soft[:, 19:] == 0).all()
    round_ = _values(maps.ellipse((100, 100), 10, 20, 90, 60))
    assert round_.sum() == pytest.approx(np.pi * 40 * 20, rel=0.01) and round_[40, 11] == 1 and round_[21, 11] == 0


@pytest.mark.parametrize("side", ["outside", "inside", "centred"])
def test_softening_keeps_what_its_side_promises(side: Any) -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[20:40, 20:40] = 255
    inside = mask > 0
    soft = _values(maps.blurred_mask(mask, 6, side))
    if side != "inside":
        assert soft[30, 30] == 1 and soft[30, 17] > 0
    if side == "outside":
        assert (soft[inside] == 1).all() and soft[30, 40] < 1
    if side == "inside":
        assert (soft[~inside] == 0).all() and soft[30, 20] < 1 and soft[30, 30] == 1
    if side == "centred":
        assert soft[30, 39] + soft[30, 40] == pytest.approx(1, abs=1 / 200)
    assert (soft == soft.T).all() and (np.diff(soft[30, 30:]) <= 0).all() and soft[30, 50] == 0


@pytest.mark.parametrize("side", ["outside", "inside", "centred"])
def test_softening_nothing_and_everything(side: Any) -> None:
    for full in (0, 255):
        flat = np.full((9, 9), full, np.uint8)
        assert (np.asarray(maps.blurred_mask(flat, 3, side)) == full).all()
        assert (np.asarray(maps.blurred_mask(flat, 0, side)) == full).all()


def test_levels_stretch_bend_and_invert() -> None:
    ramp = maps.linear((256, 1))
    assert (np.asarray(maps.levels(ramp)) == np.asarray(ramp)).all()
    assert (np.asarray(maps.levels(ramp, invert=True)) == 255 - np.asarray(ramp)).all()
    stretched = _values(maps.levels(ramp, black=0.2, white=0.6))[0]
    assert stretched[51] == 0 and stretched[153] == 1 and stretched[102] == pytest.approx(0.5, abs=0.01)
    assert _values(maps.levels(ramp, gamma=2))[0, 64] == pytest.approx(0.5, abs=0.01)


def test_combinations() -> None:
    one, two = np.array([[0.2, 0.8]]), np.array([[0.5, 0.4]])
    for how, expected in (
        ("max", [0.5, 0.8]),
        ("min", [0.2, 0.4]),
        ("multiply", [0.1, 0.32]),
        ("add", [0.7, 1.0]),
    ):
        assert np.allclose(_values(maps.combine([one, two], how)), [expected], atol=1 / 500)  # type: ignore[arg-type]


def test_luminance_and_files(tmp_path: Path) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert np.asarray(maps.luminance(colours)).tolist() == [[76, 150, 29, 255]]
    maps.linear((20, 10)).save(tmp_path / "m.png")
    assert maps.from_file(tmp_path / "m.png").tobytes() == maps.linear((20, 10)).tobytes()
    assert maps.from_file(tmp_path / "m.png", (40, 20), "white-keeps").getpixel((0, 0)) == 255


def test_depth_is_stretched_and_brought_to_the_pictures_size() -> None:
    near = np.linspace(3, 7, 20, dtype=np.float32).reshape(4, 5)
    made = maps.depth(np.zeros((8, 10, 3), np.uint8), lambda image: {"predicted_depth": near})
    assert made.size == (10, 8) and made.getpixel((0, 0)) == 0 and made.getpixel((9, 7)) == 255
    flat = maps.depth(np.zeros((8, 10, 3), np.uint8), lambda image: {"predicted_depth": near * 0})
    assert np.asarray(flat).max() == 0


def test_segmentation_joins_the_named_things_whatever_the_case() -> None:
    def find(image: Image.Image) -> list[dict[str, Any]]:
        planes = np.eye(3, dtype=np.uint8) * 255
        names = ("Cat", "Dog", "cat")
        return [{"label": n, "mask": Image.fromarray(p[None])} for n, p in zip(names, planes, strict=True)]

    picture = np.zeros((1, 3, 3), np.uint8)
    assert np.asarray(maps.segmentation(picture, find, ["CAT"])).tolist() == [[255, 0, 255]]
    assert np.asarray(maps.segmentation(picture, find, ["cat", " dog "])).tolist() == [[255, 255, 255]]
    with pytest.raises(InputError, match=r"no 'dot' in the picture, but: cat, dog .did you mean dog"):
        maps.segmentation(picture, find, ["dot"])
    with pytest.raises(InputError, match="the model found: cat, dog"):
        maps.segmentation(picture, find)


@pytest.mark.parametrize("make", [maps.depth, maps.segmentation])
def test_a_missing_model_says_what_to_give_and_nothing_is_fetched(make: Any, tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="give the folder"):
        make(picture)
    with pytest.raises(CheckpointError, match="is not on this machine"):
        make(picture, "nobody/no-such-model")
    with pytest.raises(CheckpointError, match="cannot be used for"):
        make(picture, tmp_path)


def test_real_pipelines_of_transformers_work_from_a_folder(tmp_path: Path) -> None:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    names = {0: "floor", 1: "sky"}
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 8], patch_sizes=[3, 3],
        strides=[2, 2], num_attention_heads=[1, 1], mlp_ratios=[1, 1], decoder_hidden_size=8, id2label=names,
        label2id={name: number for number, name in names.items()},
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(tmp_path)
    SegformerImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    with pytest.raises(InputError, match=r"the model found: (floor|sky)"):
        maps.segmentation(picture, tmp_path)
    with pytest.raises(CheckpointError, match="does not do depth-estimation"):
        maps.depth(picture, tmp_path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: maps.linear((0, 5)), "0x5 pixels"),
        (lambda: maps.linear(SIZE, low=1.2), "low must be a strength from 0 to 1, got 1.2"),
        (lambda: maps.radial(SIZE, radius=3, inner=4), "radius must be more than inner"),
        (lambda: maps.strips(SIZE, 0), "count"),
        (lambda: maps.strength_fan(SIZE, sweep=400), "sweep"),
        (lambda: maps.box(SIZE, 5, 5, 5, 9), "left must be less"),
        (lambda: maps.box(SIZE, 50, 5, 60, 9), "covers no pixel of the 40x24"),
        (lambda: maps.box(SIZE, 5, 5, 6, 9, soft=-1), "softness"),
        (lambda: maps.blurred_mask(np.ones((4, 4)), 2, "outsid"), "did you mean outside"),  # type: ignore[arg-type]
        (lambda: maps.levels(np.ones((4, 4)), black=0.5, white=0.5), "black must be less"),
        (lambda: maps.levels(np.ones((4, 4)), gamma=0), "gamma"),
        (lambda: maps.levels(np.ones(4)), "shape"),
        (lambda: maps.levels("missing.png"), "map missing.png does not exist"),
        (lambda: maps.combine([]), "no maps"),
        (lambda: maps.combine([np.ones((4, 4)), np.ones((4, 5))]), "one size, got 4x4, 5x4"),
        (lambda: maps.combine([np.ones((4, 4))], "mul"), "did you mean multiply"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused_with_the_reason(make: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()
