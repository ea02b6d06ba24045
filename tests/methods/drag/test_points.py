from __future__ import annotations

import math

import pytest
import torch

from scumble.errors import InputError
from scumble.images import Fit, fit
from scumble.methods.drag.grid_pairs import GridPairs
from scumble.methods.drag.points import PointPair, flat_points, pairs_of, parse_points


def test_points_are_read_from_words() -> None:
    assert parse_points(["120,80", "1.5,2"], ["160,80", "3,4"]) == ((120, 80, 160, 80), (1.5, 2, 3, 4))


@pytest.mark.parametrize(
    ("sources", "targets", "said"),
    [
        (["1,2"], [], "1 points to drag from, but 0"),
        ([], [], "no points were given"),
        (["1;2"], ["3,4"], "--from '1;2' is no point"),
        (["1,2"], ["3,4,5"], "--to '3,4,5' is no point"),
        (["1,2"], ["nan,4"], "must be finite"),
    ],
)
def test_words_that_are_no_points_are_refused(sources: list[str], targets: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_points(sources, targets)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ((), "no points were given"),
        (((70, 3, 5, 5),), "the handle of pair 1, .70, 3., is outside the picture of 64x48"),
        (((5, 3, 5, 48),), "the target of pair 1, .5, 48., is outside"),
        (((1, 1, 2, 2), (5, 3, 5, 3)), "pair 2 goes from .5, 3. to the same place"),
        (((math.nan, 3, 5, 5),), "is no point"),
    ],
)
def test_points_that_cannot_be_dragged_are_refused(points: tuple[tuple[float, ...], ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        pairs_of(points, (64, 48))  # type: ignore[arg-type]


def test_pairs_of_pairs_and_four_numbers_mean_the_same() -> None:
    assert flat_points([((1, 2), (3, 4))]) == flat_points([(1, 2, 3, 4)]) == flat_points([PointPair((1, 2), (3, 4))])


def test_a_pixel_is_found_on_a_grid_of_the_same_size() -> None:
    place = Fit((64, 48), (64, 48), (64, 48))
    pairs = GridPairs.of([PointPair((10, 20), (13, 24))], place, (48, 64))
    assert pairs.handles.tolist() == [[20, 10]]
    assert pairs.targets.tolist() == [[24, 13]]
    assert pairs.pixels(pairs.targets - pairs.handles) == [5.0]


@pytest.mark.parametrize("size", [(64, 64), (500, 300), (1000, 700), (48, 52)])
def test_the_way_keeps_its_length_through_resizing_padding_and_rounding(size: tuple[int, int]) -> None:
    place = fit(*size, multiple=8, native=64)
    pair = PointPair((size[0] * 0.3, size[1] * 0.4), (size[0] * 0.6, size[1] * 0.5))
    grid = (place.size[1] // 2, place.size[0] // 2)
    pairs = GridPairs.of([pair], place, grid)
    assert torch.equal(pairs.handles, pairs.handles.round())
    assert pairs.pixels(pairs.targets - pairs.handles)[0] == pytest.approx(pair.distance, rel=0.02)


def test_padding_does_not_move_points() -> None:
    place = fit(60, 60, multiple=64, native=None)
    assert place.size == (64, 64)
    pairs = GridPairs.of([PointPair((10, 20), (30, 40))], place, (64, 64))
    assert pairs.handles.tolist() == [[20, 10]]


def test_the_published_rule_takes_corners_for_centres() -> None:
    place = Fit((512, 512), (512, 512), (512, 512))
    pair = PointPair((511, 100), (100, 101))
    published, ours = (rule([pair], place, (256, 256)) for rule in (GridPairs.as_published, GridPairs.of))
    assert published.handles.tolist() == [[50, 255]]  # 511 rounds to 256, where the published code fails
    assert published.targets.tolist() == [[50, 50]]  # 50.5 rounds to the even number
    assert ours.pixels(ours.targets - ours.handles)[0] == pytest.approx(pair.distance, rel=1e-3)
