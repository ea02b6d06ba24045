"""One polarity: white / 1 = change; everything else is converted by name at the door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.errors import InputError
from scumble.images import describe_map, latent_map, load_map

ALL = np.arange(256, dtype=np.uint8).reshape(16, 16)
SIZE = (16, 16)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_every_grey_level_is_exactly_v_over_255(mode: str, tmp_path: Path) -> None:
    Image.fromarray(ALL).convert(mode).save(tmp_path / "m.png")
    tensor, notices = load_map(tmp_path / "m.png", SIZE)
    assert tensor.shape == (1, 1, 16, 16) and tensor.dtype == torch.float32 and notices == []
    assert torch.equal(tensor[0, 0], torch.from_numpy(ALL) / 255)


def test_white_keeps_is_the_exact_opposite() -> None:
    for source in (ALL, Image.fromarray(ALL), torch.from_numpy(ALL), ALL / 255.0):
        changes, _ = load_map(source, SIZE, polarity="white-changes")
        keeps, _ = load_map(source, SIZE, polarity="white-keeps")
        assert torch.equal(keeps[0, 0], torch.from_numpy(255 - ALL) / 255)
        assert torch.equal(changes[0, 0], torch.from_numpy(ALL) / 255)


def test_unknown_polarity_and_channel_name_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean white-keeps"):
        load_map(1.0, SIZE, polarity="white-keep")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean alpha"):
        load_map(1.0, SIZE, channel="alfa")  # type: ignore[arg-type]


def test_alpha_is_taken_when_it_says_something_and_the_notice_says_so() -> None:
    painted = np.zeros((16, 16, 4), np.uint8)
    painted[..., 3] = ALL
    tensor, notices = load_map(Image.fromarray(painted), SIZE)
    assert torch.equal(tensor[0, 0], torch.from_numpy(ALL) / 255) and "alpha" in notices[0]
    assert torch.equal(load_map(painted, SIZE, channel="alpha")[0], tensor)
    assert load_map(painted, SIZE, channel="luminance")[0].max() == 0


@pytest.mark.parametrize("polarity", ["white-changes", "white-keeps"])
def test_transparent_pixels_keep_when_luminance_is_asked_for(polarity: Any) -> None:
    see_through = np.full((16, 16, 4), 128, np.uint8)
    see_through[..., 3] = 0
    assert load_map(see_through, SIZE, polarity, channel="luminance")[0].max() == 0


def test_alpha_that_is_not_there_is_an_error() -> None:
    for source in (ALL, Image.fromarray(ALL)):
        with pytest.raises(InputError, match="no alpha"):
            load_map(source, SIZE, channel="alpha")


def test_sixteen_bit_maps_keep_their_precision() -> None:
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 3
    for source in (Image.fromarray(deep), deep):
        assert torch.equal(load_map(source, SIZE)[0][0, 0], torch.from_numpy((deep / 65535).astype(np.float32)))


def test_numbers_booleans_and_batches() -> None:
    assert torch.equal(load_map(0.3, (5, 4))[0], torch.full((1, 1, 4, 5), 0.3))
    assert torch.equal(load_map(1, (5, 4))[0], torch.ones(1, 1, 4, 5))
    assert torch.equal(load_map(np.eye(4, dtype=bool), (4, 4))[0][0, 0], torch.eye(4))
    batch = torch.rand(3, 4, 5)
    assert torch.equal(load_map(batch, (5, 4))[0], batch[:, None])
    assert torch.equal(load_map(batch[:, None], (5, 4))[0], batch[:, None])
    assert torch.equal(load_map(batch.numpy(), (5, 4))[0], batch[:, None])
    assert torch.equal(load_map(list(batch), (5, 4))[0], batch[:, None])


def test_an_array_is_channels_last_unless_the_picture_is_that_narrow() -> None:
    assert load_map(np.ones((4, 5, 3)), (5, 4))[0].shape == (1, 1, 4, 5)
    assert load_map(np.ones((2, 4, 3)), (3, 4))[0].shape == (2, 1, 4, 3)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_another_size_of_the_same_shape_is_resized_with_a_notice(value: float) -> None:
    for sides in ((50, 40), (10, 8), (2, 2)):
        picture = (25, 20) if sides != (2, 2) else (3, 3)
        tensor, notices = load_map(np.full(sides[::-1], value, np.float32), picture)
        assert torch.equal(tensor, torch.full((1, 1, *picture[::-1]), value))
        assert f"resized from {sides[0]}x{sides[1]}" in notices[0]


def test_a_size_that_only_rounding_makes_uneven_is_taken() -> None:
    assert load_map(np.ones((4, 500)), (1001, 7))[0].shape == (1, 1, 7, 1001)


def test_a_thin_line_survives_shrinking() -> None:
    line = np.zeros((400, 400), np.float32)
    line[:, 201] = 1.0
    assert (load_map(line, (50, 50))[0].amax(dim=-1) > 0).all()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (np.ones((16, 20)), "another shape"),
        (np.full((16, 16), np.nan), "NaN"),
        (torch.full((16, 16), float("inf")), "infinite"),
        (np.full((16, 16), 1.5), r"\[0,1\]"),
        (-0.5, r"\[0,1\]"),
        (float("nan"), "NaN"),
        (np.zeros((16, 16), np.int64), "int64"),
        (np.zeros((2, 3, 16, 16)), "shape"),
        (np.zeros((0, 16)), "no pixels"),
        ([], "empty"),
        (None, "NoneType"),
        (True, "bool"),
        ("missing.png", "map missing.png does not exist"),
    ],
)
def test_unusable_maps_are_refused_with_the_reason(source: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_map(source, SIZE)


def test_a_jpeg_map_whose_black_is_impure_gets_a_notice(tmp_path: Path) -> None:
    disc = np.zeros((64, 64), np.uint8)
    disc[20:41, 20:41] = 255
    Image.fromarray(disc).save(tmp_path / "m.jpg", quality=50)
    assert "save it as PNG" in load_map(tmp_path / "m.jpg", (64, 64))[1][0]


def test_description() -> None:
    change = torch.zeros(1, 1, 4, 4)
    assert describe_map(change) == "0 % of the pixels may change"
    change[0, 0, 0, :2] = torch.tensor([0.36, 0.5])
    assert describe_map(change) == "12.5 % of the pixels may change, mean strength 0.43"
    assert describe_map(torch.ones(1, 1, 9, 9)) == "100 % of the pixels may change, mean strength 1.00"
    almost = torch.ones(1, 1, 100, 100)
    almost[0, 0, 0, 0] = 0
    assert describe_map(almost).startswith("more than 99.9 %")
    assert describe_map(1 - almost).startswith("less than 0.1 %")


def test_the_cell_of_a_constant_map_is_that_constant_to_the_last_bit() -> None:
    for value in (0.1, 0.3, 0.7, 1.0):
        for how in ("area", "max"):
            cells = latent_map(torch.full((2, 1, 24, 48), value), 8, how)  # type: ignore[arg-type]
            assert torch.equal(cells, torch.full((2, 1, 3, 6), value))


def test_reductions_of_one_pixel() -> None:
    change = torch.zeros(1, 1, 16, 16)
    change[0, 0, 0, 0] = 1.0
    assert latent_map(change, 8)[0, 0, 0, 0] == 1 / 64
    assert latent_map(change, 8, "max")[0, 0, 0, 0] == 1.0
    assert latent_map(change, 8, "bilinear").max() == 0.0  # the published reduction misses it


def test_bilinear_is_the_mean_of_the_four_central_pixels() -> None:
    change = torch.rand(1, 1, 32, 32)
    cells = change.view(4, 8, 4, 8)
    centres = cells[:, 3:5, :, 3:5].mean(dim=(1, 3))
    torch.testing.assert_close(latent_map(change, 8, "bilinear")[0, 0], centres)


def test_latent_maps_that_cannot_be_made() -> None:
    with pytest.raises(InputError, match="cells of 8x8"):
        latent_map(torch.zeros(1, 1, 9, 16), 8)
    with pytest.raises(InputError, match="did you mean bilinear"):
        latent_map(torch.zeros(1, 1, 8, 8), 8, "bilinea")  # type: ignore[arg-type]
