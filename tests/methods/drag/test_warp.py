from __future__ import annotations

import pytest
import torch

from scumble.methods.drag.displacement import displacement
from scumble.methods.drag.points import PointPair
from scumble.methods.drag.segment import segment_at
from scumble.methods.drag.warp import warp


def square(size: int = 48) -> torch.Tensor:
    """A bright square of 10 x 10 at (12, 12) on dark ground."""
    image = torch.full((3, size, size), -0.5)
    image[:, 12:22, 12:22] = 1.0
    return image


PAIR = PointPair((16.5, 16.5), (30.5, 16.5))


def box() -> torch.Tensor:
    mask = torch.zeros(48, 48)
    mask[6:28, 6:42] = 1
    return mask


def test_a_thing_arrives_whole_and_leaves_its_place_uncovered() -> None:
    thing = segment_at(square(), PAIR.handle, box())
    found = warp(square(), displacement((48, 48), [PAIR], box(), things=[thing]), box())
    assert (found.image[:, 14:20, 28:34] > 0.9).all()
    assert (found.image[:, 14:20, 13:19] < 0).all()
    assert found.uncovered[13:21, 13:21].all()


def test_nothing_moves_outside_the_mask() -> None:
    image = torch.rand(3, 48, 48) * 2 - 1
    found = warp(image, displacement((48, 48), [PAIR], box()), box())
    held = box() == 0
    torch.testing.assert_close(found.image[:, held], image[:, held], atol=1e-5, rtol=0)
    assert not found.uncovered[held].any()
    assert (found.moved[held] == 0).all()


def test_a_pair_without_a_way_gives_the_picture_back() -> None:
    image = torch.rand(3, 48, 48) * 2 - 1
    found = warp(image, displacement((48, 48), [PointPair((20, 20), (20, 20))]))
    torch.testing.assert_close(found.image, image, atol=1e-5, rtol=0)
    assert not found.uncovered.any()


@pytest.mark.parametrize("way", [(5, 0), (-3, 4), (2.5, -1.5)])
def test_every_handle_goes_exactly_to_its_target(way: tuple[float, float]) -> None:
    pairs = [PointPair((12, 14), (12 + way[0], 14 + way[1])), PointPair((17, 20), (18, 27))]
    field = displacement((48, 48), pairs, radius=9.0)
    for pair in pairs:
        row, column = (int(2 * pair.handle[k] + 0.5) for k in (1, 0))
        down, across = field.offset[row : row + 2, column : column + 2].mean((0, 1))
        assert (across, down) == pytest.approx(
            (pair.target[0] - pair.handle[0], pair.target[1] - pair.handle[1]), abs=0.1
        )


def test_what_leaves_the_picture_is_dropped() -> None:
    found = warp(square(), displacement((48, 48), [PointPair((16, 16), (47, 47))], radius=10))
    assert found.image.shape == (3, 48, 48)
    assert torch.isfinite(found.image).all()


def test_the_thing_under_a_handle_is_found() -> None:
    thing = segment_at(square(), PAIR.handle, box())
    assert thing is not None
    assert (thing[12:22, 12:22] == 1).all()
    assert thing.sum() <= 14 * 14
    assert (thing[box() == 0] == 0).all()


def test_holes_belong_to_the_thing() -> None:
    image = square()
    image[:, 15:18, 15:18] = -0.5
    thing = segment_at(image, (13.0, 13.0), box())
    assert thing is not None
    assert (thing[12:22, 12:22] == 1).all()


def test_no_thing_where_nothing_stands_out() -> None:
    assert segment_at(square(), (35.0, 20.0), box()) is None
    assert segment_at(square(), PAIR.handle, torch.ones(48, 48)) is None


def test_two_handles_of_one_thing_stretch_it() -> None:
    thing = segment_at(square(), PAIR.handle, box())
    pairs = [PointPair((13, 16), (11, 16)), PointPair((20, 16), (26, 16))]
    found = warp(square(), displacement((48, 48), pairs, box(), things=[thing, thing]), box())
    bright = (found.image[0, 16] > 0.5).nonzero()
    assert int(bright.max()) - int(bright.min()) > 12
