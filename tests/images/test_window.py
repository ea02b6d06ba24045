"""A window holds what may change, lies in the picture, and gives back at scale 1 exactly what it took."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scumble.errors import InputError
from scumble.images.region import region

MODELS = [(8, 512), (8, 1024), (8, 64), (64, 512), (16, 256)]
PHOTO = (4000, 3000)


@st.composite
def boxes(draw: st.DrawFn, longest: int = 5000) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    width, height = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (width, height), (left, top, draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height)))


@settings(max_examples=1500, deadline=None)
@given(boxes(), st.sampled_from(MODELS), st.sampled_from([None, 0.0, 0.3, 2.0]))
def test_every_window_holds_its_region_and_suits_the_model(
    place: tuple[tuple[int, int], tuple[int, int, int, int]], model: tuple[int, int], context: float | None
) -> None:
    size, box = place
    multiple, native = model
    window = region(size, box, multiple, native, context)
    left, top, right, bottom = window.box
    assert 0 <= left <= box[0] and box[2] <= right <= size[0]
    assert 0 <= top <= box[1] and box[3] <= bottom <= size[1]
    assert all(side % multiple == 0 for side in window.size)
    assert all(0 <= inner - scaled < multiple for inner, scaled in zip(window.size, window.scaled, strict=True))
    assert all(scaled <= cut for scaled, cut in zip(window.scaled, window.box_size, strict=True))
    assert max(window.size) <= 4 * native + multiple
    across, down = (cut / scaled for cut, scaled in zip(window.box_size, window.scaled, strict=True))
    pixel = max(across / window.scaled[1], down / window.scaled[0])
    assert abs(across - down) <= 1.01 * pixel + 1e-9 or min(window.scaled) < 2 * multiple


@settings(max_examples=60, deadline=None)
@given(boxes(140), st.sampled_from([(1, 16), (8, 64), (16, 64)]))
def test_a_window_that_is_not_scaled_gives_back_what_it_took(
    place: tuple[tuple[int, int], tuple[int, int, int, int]], model: tuple[int, int]
) -> None:
    size, box = place
    window = region(size, box, *model)
    image = torch.rand(1, 3, size[1], size[0]) * 2 - 1
    inside = window.apply(image)
    assert inside.shape[-2:] == window.size[::-1]
    assert window.undo(inside).shape[-2:] == window.box_size[::-1]
    if window.scale == 1.0:
        assert torch.equal(window.undo(inside), window.cut(image))
        x, y = box[0], box[1]
        column, row = window.point(x, y)
        assert torch.equal(inside[..., round(row), round(column)], image[..., y, x])


@pytest.mark.parametrize(
    ("size", "box", "model", "window", "inner"),
    [
        (PHOTO, (1800, 1200, 2200, 1700), (8, 512), (1712, 1114, 2288, 1786), (576, 672)),
        (PHOTO, (1800, 1200, 2200, 1700), (8, 1024), (1488, 938, 2512, 1962), (1024, 1024)),
        (PHOTO, (3780, 0, 4000, 300), (8, 512), (3488, 0, 4000, 560), (512, 560)),
        (PHOTO, (500, 1500, 1900, 2200), (8, 512), (366, 1368, 2033, 2332), (816, 472)),
        (PHOTO, (0, 0, 4000, 1200), (8, 512), (0, 0, 4000, 1850), (920, 424)),
        (PHOTO, (10, 10, 11, 11), (8, 512), (0, 0, 512, 512), (512, 512)),
        ((256, 256), (100, 100, 130, 130), (8, 64), (83, 83, 147, 147), (64, 64)),
        ((501, 333), (200, 100, 240, 140), (8, 512), (0, 0, 496, 328), (496, 328)),
    ],
)
def test_the_rule(
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    model: tuple[int, int],
    window: tuple[int, int, int, int],
    inner: tuple[int, int],
) -> None:
    chosen = region(size, box, *model)
    assert (chosen.box, chosen.size) == (window, inner)


def test_fifteen_percent_of_each_side_of_six_megapixels_is_not_scaled() -> None:
    assert region((3000, 2000), (1000, 800, 1450, 1100), 8, 512).scale == 1.0


def test_bad_regions_are_refused() -> None:
    with pytest.raises(InputError, match="does not lie in the picture of 10x10"):
        region((10, 10), (0, 0, 11, 5))
    with pytest.raises(InputError, match="context must be from 0 to 4"):
        region((10, 10), (0, 0, 5, 5), context=5.0)


def test_context_makes_a_window_no_larger_than_is_comfortable() -> None:
    box = (100, 10, 140, 45)
    assert region((256, 64), box, 8, 64).size[0] > 72
    assert region((256, 64), box, 8, 64, comfort=1.0).size == (72, 64)
    assert region((256, 64), (100, 5, 160, 60), 8, 64, comfort=1.0).scale == 1.0  # it may be larger where it has to
