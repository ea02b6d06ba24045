"""A picture of any size goes to the model and comes back at its own size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scumble.errors import InputError
from scumble.images import fit
from scumble.images.fit import FitMode

SIDES = st.integers(1, 150)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.sampled_from([1, 8, 16, 64]), st.sampled_from([None, 64]), st.sampled_from(["auto", "pad"]))
def test_every_size_fits_and_comes_back(
    width: int, height: int, multiple: int, native: int | None, mode: FitMode
) -> None:
    place = fit(width, height, multiple, native, mode)
    image = torch.rand(1, 3, height, width) * 2 - 1
    inside = place.apply(image)
    assert inside.shape[-1] % multiple == 0 and inside.shape[-2] % multiple == 0
    assert inside.shape[-2:] == place.size[::-1] and inside.abs().max() <= 1
    assert place.undo(inside).shape == image.shape
    assert place.apply_map(torch.rand(2, 1, height, width)).shape == (2, 1, *place.size[::-1])
    if place.scaled == place.original:
        assert torch.equal(place.undo(inside), image)


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, st.sampled_from([0.1, 0.3, 1.0]))
def test_constants_stay_constant(width: int, height: int, value: float) -> None:
    place = fit(width, height, 8, 64, "resize")
    image = torch.full((1, 3, height, width), value)
    assert (place.apply(image) - value).abs().max() < 1e-5
    assert (place.undo(place.apply(image)) - value).abs().max() < 1e-5
    change = torch.full((1, 1, height, width), value)
    assert torch.equal(place.apply_map(change), torch.full((1, 1, *place.size[::-1]), value))


@pytest.mark.parametrize(
    ("width", "height", "native", "mode", "scaled", "size"),
    [
        (64, 64, 64, "auto", (64, 64), (64, 64)),
        (70, 50, 64, "auto", (70, 50), (72, 56)),
        (512, 512, 64, "auto", (64, 64), (64, 64)),
        (500, 300, 512, "auto", (853, 512), (856, 512)),
        (760, 1000, 512, "auto", (760, 1000), (760, 1000)),
        (70, 50, 64, "resize", (90, 64), (96, 64)),
        (512, 512, 64, "pad", (512, 512), (512, 512)),
        (5000, 100, 64, "auto", (400, 8), (400, 8)),
        (3000, 7, 64, "auto", (3000, 7), (3000, 8)),
        (1, 1, 64, "auto", (64, 64), (64, 64)),
        (333, 5, None, "auto", (333, 5), (336, 8)),
    ],
)
def test_policy(
    width: int, height: int, native: int | None, mode: FitMode, scaled: tuple[int, int], size: tuple[int, int]
) -> None:
    place = fit(width, height, 8, native, mode)
    assert (place.scaled, place.size) == (scaled, size)


def test_padding_reflects_as_often_as_it_takes() -> None:
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]]) / 10
    padded = fit(3, 1, 8, None).apply(row)
    assert torch.equal(padded, (torch.tensor([1.0, 2, 3, 2, 1, 2, 3, 2]) / 10).expand(1, 1, 8, 8))


def test_a_thin_line_of_the_map_survives_shrinking() -> None:
    change = torch.zeros(1, 1, 512, 512)
    change[..., 100] = 1.0
    assert (fit(512, 512, 8, 64).apply_map(change).amax(-1) > 0).all()


def test_points_follow_the_scaling() -> None:
    place = fit(512, 512, 8, 64)
    assert place.point(-0.5, 511.5) == (-0.5, 63.5)
    assert fit(70, 50, 8, 64).point(12.0, 7.25) == (12.0, 7.25)


def test_description_and_errors() -> None:
    assert fit(500, 300, 8, 512).describe() == "500x300 resized to 853x512 padded to 856x512"
    with pytest.raises(InputError, match="did you mean resize"):
        fit(5, 5, 8, 64, "resiz")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 1"):
        fit(0, 5)
    with pytest.raises(InputError, match="5x4 pixels was given where 4x5"):
        fit(4, 5, 8).apply(torch.zeros(1, 3, 4, 5))
