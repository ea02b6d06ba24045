"""Sixteen bits: what an edit does not change keeps all of them, and the upper eight are always the edited picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from scumble.images import deep as deep_module
from scumble.images import load_image, save_image
from scumble.images.deep import Deep

imagecodecs = pytest.importorskip("imagecodecs", reason="the extra 'photos' is not installed")
tifffile = pytest.importorskip("tifffile", reason="the extra 'photos' is not installed")

VALUES = np.random.default_rng(3).integers(0, 65536, (24, 31, 4), dtype=np.uint16)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def written(folder: Path, kind: str, channels: int) -> Path:
    values = np.ascontiguousarray(VALUES[..., :channels])
    path = folder / f"deep.{kind}"
    if kind == "png":
        path.write_bytes(imagecodecs.png_encode(values))
    else:
        tifffile.imwrite(path, values, photometric="rgb", compression="zlib", predictor=True, iccprofile=SRGB)
    return path


def read(path: Path) -> np.ndarray:
    return imagecodecs.png_decode(path.read_bytes()) if path.suffix == ".png" else tifffile.imread(path)


@pytest.mark.parametrize("target", ["png", "tif"])
@pytest.mark.parametrize(("kind", "channels"), [("png", 3), ("png", 4), ("tif", 3)])
def test_kept_pixels_keep_sixteen_bits_and_changed_ones_show_the_edit(
    tmp_path: Path, kind: str, channels: int, target: str
) -> None:
    picture = load_image(written(tmp_path, kind, channels))
    assert not picture.carried.notices and picture.carried.deep is not None
    edited = np.array(picture.with_alpha(picture.rgb))
    edited[4:12, 5:20, :3] = np.random.default_rng(4).integers(0, 256, (8, 15, 3))
    saved = tmp_path / f"out.{target}"
    save_image(Image.fromarray(edited), saved, {"scumble": "{}"}, carried=picture.carried)
    values = read(saved)
    assert values.dtype == np.uint16 and values.shape == (24, 31, channels)
    assert np.array_equal(values >> 8, edited), "the upper eight bits are not the edited picture"
    same = np.array(picture.with_alpha(picture.rgb)) == edited
    assert np.array_equal(values[same], VALUES[..., :channels][same]), "a kept pixel lost bits"
    again = load_image(saved)
    assert np.array_equal(np.asarray(again.rgb), edited[..., :3])
    assert again.carried.icc == picture.carried.icc


def test_texts_of_a_deep_png_stay_readable_and_damage_leaves_eight_bits(tmp_path: Path) -> None:
    picture = load_image(written(tmp_path, "png", 3))
    save_image(picture.rgb, tmp_path / "out.png", {"scumble": "texts"}, carried=picture.carried)
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        assert image.info["scumble"] == "texts"


def test_a_format_of_eight_bits_says_what_it_holds(tmp_path: Path) -> None:
    picture, notices = load_image(written(tmp_path, "png", 3)), list[str]()
    save_image(picture.rgb, tmp_path / "out.webp", carried=picture.carried, notices=notices)
    assert any("16 bits" in notice and ".png" in notice for notice in notices)


def test_without_the_packages_eight_bits_are_used_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "png", 3)

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(deep_module, "import_module", missing)
    picture = load_image(path)
    assert picture.carried.deep is None and any("16 bits" in notice for notice in picture.carried.notices)


def test_a_turned_photograph_is_kept_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (31, 24)).save(buffer, format="PNG", exif=exif)
    path = tmp_path / "turned.png"
    path.write_bytes(buffer.getvalue())
    deep_module.write_deep(path, np.ascontiguousarray(VALUES[..., :3]), "PNG")
    picture = load_image(path)
    assert picture.size == (24, 31) and picture.carried.deep is not None
    assert np.array_equal(picture.carried.deep.values >> 8, np.asarray(picture.rgb))


def test_a_changed_value_is_a_multiple_of_257() -> None:
    deep = Deep(np.array([[[513, 40_000, 65_535]]], np.uint16))
    values = deep.under(Image.fromarray(np.array([[[2, 7, 0]]], np.uint8)))
    assert values.tolist() == [[[513, 7 * 257, 0]]]
