"""Every kind of picture comes in right, and every unusable one is refused in one clear line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.errors import InputError
from scumble.images import load_image

COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_the_same_picture_has_the_same_hash_as_file_array_tensor_and_pil(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    sources: list[Any] = [tmp_path / "a.png", str(tmp_path / "a.png"), COLOURS, Image.fromarray(COLOURS)]
    sources += [torch.from_numpy(COLOURS).permute(2, 0, 1), torch.from_numpy(COLOURS).permute(2, 0, 1)[None]]
    sources += [COLOURS / 255.0, torch.from_numpy(COLOURS)]
    pictures = [load_image(source) for source in sources]
    assert len({picture.sha256 for picture in pictures}) == 1
    assert all((np.asarray(picture.rgb) == COLOURS).all() for picture in pictures)
    assert pictures[0].path_name == "a.png" and pictures[2].path_name is None


def test_the_hash_knows_the_size() -> None:
    flat = np.zeros((2, 6, 3), np.uint8)
    assert load_image(flat).sha256 != load_image(flat.reshape(3, 4, 3)).sha256


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    turned = load_image(tmp_path / "a.png").rgb
    assert (np.asarray(turned) == np.rot90(COLOURS, -1)).all()


def test_transparency_is_kept_apart_and_given_back() -> None:
    alpha = np.arange(35, dtype=np.uint8).reshape(5, 7)
    picture = load_image(np.dstack([COLOURS, alpha]))
    assert picture.alpha is not None
    assert (np.asarray(picture.rgb) == COLOURS).all() and (np.asarray(picture.alpha) == alpha).all()
    assert (np.asarray(picture.with_alpha(picture.rgb)) == np.dstack([COLOURS, alpha])).all()
    assert load_image(COLOURS).alpha is None


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_sixteen_bit_grey_is_scaled_and_not_cut(dtype: Any, tmp_path: Path) -> None:
    deep = np.array([[0, 257, 128 * 257, 65535]], dtype)
    image = Image.fromarray(deep)
    assert np.asarray(load_image(image).rgb)[0, :, 1].tolist() == [0, 1, 128, 255]
    image.save(tmp_path / "deep.tif")
    assert np.asarray(load_image(tmp_path / "deep.tif").rgb)[0, :, 1].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "CMYK", "YCbCr", "HSV", "RGBA", "RGBX", "La", "RGBa"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = Image.new("L", (4, 3), 255)
    between = {"PA": "P", "RGBa": "RGBA", "La": "LA"}.get(mode)
    if mode in ("HSV", "YCbCr", "CMYK", "RGBX"):
        between = "RGB"
    image = (grey.convert(between) if between else grey).convert(mode)
    picture = load_image(image)
    assert picture.rgb.mode == "RGB" and picture.rgb.size == (4, 3)
    assert np.asarray(picture.rgb).min() >= 254
    assert (picture.alpha is not None) == (mode in ("LA", "PA", "RGBA", "La", "RGBa"))


def test_palette_transparency_becomes_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png", transparency=0)
    picture = load_image(tmp_path / "p.png")
    assert picture.alpha is not None
    assert np.asarray(picture.alpha).tolist() == [[0, 255]]
    assert np.asarray(picture.rgb).tolist() == [[[255, 0, 0], [0, 255, 0]]]


def test_grey_arrays_with_and_without_a_channel_are_pictures() -> None:
    for grey in (COLOURS[..., 0], COLOURS[..., :1], torch.from_numpy(COLOURS[..., 0])):
        assert (np.asarray(load_image(grey).rgb)[..., 2] == COLOURS[..., 0]).all()


def test_gps_and_other_extras_do_not_travel(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "my home"
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    assert load_image(tmp_path / "a.png").rgb.info == {}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (np.full((2, 2, 3), np.nan), "NaN"),
        (np.full((2, 2, 3), 2.0), r"values from 2 to 2; floats must be in \[0,1\]"),
        (np.full((2, 2, 3), -0.1), r"\[0,1\]"),
        (np.zeros((2, 2, 3), np.int64), "type int64"),
        (np.zeros((2, 2, 5), np.uint8), "shape"),
        (np.zeros((2,), np.uint8), "shape"),
        (torch.zeros(2, 3, 4, 4), "shape"),
        (np.zeros((0, 2, 3), np.uint8), "no pixels"),
        (Image.new("RGB", (0, 3)), "no pixels"),
        (Image.fromarray(np.full((2, 2), 3.5, np.float32)), r"\[0,1\]"),
        (Image.fromarray(np.full((2, 2), 70000, np.int32)), "16-bit"),
        (3, "int"),
        (None, "NoneType"),
        ("missing.png", "does not exist"),
        (".", "folder"),
    ],
)
def test_unusable_pictures_are_refused_with_the_reason(source: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_image(source)


def test_empty_truncated_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(whole, "PNG")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:3000])
    (tmp_path / "head.png").write_bytes(whole.getvalue()[:20])
    (tmp_path / "text.png").write_text("no picture")
    for name, says in (("empty", "empty file"), ("cut", "cannot be read"), ("head", "read|format"), ("text", "format")):
        with pytest.raises(InputError, match=says):
            load_image(tmp_path / f"{name}.png")


def test_bytes_and_open_files_are_the_picture_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    Image.fromarray(np.arange(12 * 9 * 3, dtype=np.uint8).reshape(12, 9, 3)).save(path)
    wanted = load_image(path)
    with path.open("rb") as opened:
        given = [load_image(path.read_bytes()), load_image(opened), load_image(io.BytesIO(path.read_bytes()))]
    for one in given:
        assert (one.sha256, one.path_name, one.file) == (wanted.sha256, None, None)


@pytest.mark.parametrize("given", [b"", b"no picture", io.StringIO("text")])
def test_bytes_that_are_no_picture_are_refused_in_one_line(given: Any) -> None:
    with pytest.raises(InputError) as refused:
        load_image(given)
    assert "\n" not in str(refused.value) and "/tmp" not in str(refused.value)
