"""A JPEG that is edited in one place keeps every block that the map does not touch."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps
from scipy import ndimage

from scumble.images.jpeg_blocks import kept_blocks, with_segments
from scumble.images.turn import turned, turned_back
from tests.images.drawn import photograph


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format="JPEG", **options)
    return file.getvalue()


def _pixels(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def _edit(before: npt.NDArray[np.uint8], changed: npt.NDArray[np.bool_], seed: int) -> Image.Image:
    new = np.random.default_rng(seed).integers(0, 256, before.shape, np.uint8)
    return Image.fromarray(np.where(changed[..., None], new, before))


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_nothing_differs_beyond_the_rim_of_touched_blocks(sampling: int) -> None:
    random = np.random.default_rng(sampling)
    for seed in range(70):
        width, height = (int(side) for side in random.integers(40, 150, 2))
        quality = int(random.integers(60, 97))
        source = _jpeg(Image.fromarray(photograph(width, height, seed)), quality=quality, subsampling=sampling)
        before = _pixels(source)
        y, x = np.mgrid[0:height, 0:width]
        radius = int(random.integers(1, 25))
        changed = np.hypot(x - random.integers(0, width), y - random.integers(0, height)) < radius
        done = kept_blocks(_edit(before, changed, seed), source, changed)
        assert done is not None
        after, share = done
        side = 8 if sampling == 0 else 16
        touched = np.zeros((height + 16, width + 16), bool)
        for row in range(0, height, side):
            for column in range(0, width, side):
                if changed[row : row + side, column : column + side].any():
                    touched[row : row + side, column : column + side] = True
        rim = touched[:height, :width]
        if sampling:
            rim = ndimage.binary_dilation(rim, structure=np.ones((3, 3)))
        assert np.array_equal(_pixels(after)[~rim], before[~rim])
        same = (_pixels(after) == before).all(axis=2)
        assert share == pytest.approx(float(same[~changed].mean()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_stays_in_the_frame_of_the_file(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    source = _jpeg(Image.fromarray(photograph(120, 88)), quality=90, subsampling=2, exif=exif)
    upright = _pixels(source)
    changed = np.zeros(upright.shape[:2], bool)
    changed[10:30, 15:50] = True
    done = kept_blocks(_edit(upright, changed, 3), source, changed, orientation)
    assert done is not None
    after = _pixels(with_segments(done[0], exif=exif.tobytes().removeprefix(b"Exif\0\0")))
    grown = ndimage.binary_dilation(changed, iterations=17, structure=np.ones((3, 3)))
    assert np.array_equal(after[~grown], upright[~grown]) and not np.array_equal(after[changed], upright[changed])


def test_a_second_edit_elsewhere_leaves_the_first_intact() -> None:
    source = _jpeg(Image.fromarray(photograph(160, 160)), quality=85, subsampling=2)
    first, second = np.zeros((2, 160, 160), bool)
    first[16:48, 16:48], second[112:144, 112:144] = True, True
    once = kept_blocks(_edit(_pixels(source), first, 1), source, first)
    assert once is not None
    twice = kept_blocks(_edit(_pixels(once[0]), second, 2), once[0], second)
    assert twice is not None
    assert np.array_equal(_pixels(twice[0])[:100, :100], _pixels(once[0])[:100, :100])


def test_grey_and_progressive_files_are_kept_too() -> None:
    for image, options in (
        (Image.fromarray(photograph(96, 80)).convert("L"), {"quality": 80}),
        (Image.fromarray(photograph(96, 80)), {"quality": 80, "progressive": True}),
    ):
        source = _jpeg(image, **options)
        changed = np.zeros((80, 96), bool)
        changed[:8, :8] = True
        edited = _edit(_pixels(source), changed, 0)
        done = kept_blocks(edited.convert("L").convert("RGB") if image.mode == "L" else edited, source, changed)
        assert done is not None
        assert np.array_equal(_pixels(done[0])[20:], _pixels(source)[20:])


def test_what_cannot_be_kept_falls_back() -> None:
    changed = np.zeros((80, 96), bool)
    picture = Image.fromarray(photograph(96, 80))
    for source in (
        _jpeg(picture.convert("CMYK")),
        _jpeg(picture, quality=90)[:-200],
        b"no picture at all",
        _jpeg(picture.resize((50, 50))),
        _jpeg(picture.convert("L")),
    ):
        assert kept_blocks(_edit(np.asarray(picture), ~changed, 0), source, changed) is None


def test_segments_are_written_once_and_read_back() -> None:
    jpeg = _jpeg(Image.fromarray(photograph(32, 32)), dpi=(72, 72), comment=b"secret")
    exif = Image.Exif()
    exif[0x10F] = "Maker"
    big = bytes(range(256)) * 600
    written = with_segments(jpeg, exif.tobytes().removeprefix(b"Exif\0\0"), b"<x:xmpmeta/>", big, (300, 299))
    image = Image.open(io.BytesIO(written))
    assert image.getexif()[0x10F] == "Maker" and image.info["xmp"] == b"<x:xmpmeta/>"
    assert image.info["icc_profile"] == big and image.info["dpi"] == (300, 299)
    assert written.count(b"JFIF\0") == 1 and b"secret" not in written


def test_turning_back_is_the_inverse_of_turning() -> None:
    picture = Image.fromarray(photograph(7, 5))
    for orientation in range(10):
        assert turned_back(turned(picture, orientation), orientation).tobytes() == picture.tobytes()
        exif = Image.Exif()
        exif[0x112] = orientation
        if 1 <= orientation <= 8:
            file = io.BytesIO()
            picture.save(file, format="PNG", exif=exif)
            assert ImageOps.exif_transpose(Image.open(file)).tobytes() == turned(picture, orientation).tobytes()
