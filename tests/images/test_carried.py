"""A result carries what its file held, corrected: upright, in its own colors, without the old thumbnail."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from scumble.errors import InputError
from scumble.images import load_image, save_image
from scumble.images.carried import Carried
from scumble.images.exif import Damaged, patched
from scumble.images.profile import profile_of
from scumble.images.xmp import corrected
from tests.images.drawn import photograph
from tests.images.profiles import display_p3, grey_gamma

PICTURE = Image.fromarray(photograph(48, 32))
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="lake"/></x:xmpmeta>'
MAKER = bytes(range(200)) + b"maker note"


def _exif(orientation: int = 6, order: str = "<", preview: bytes = b"") -> bytes:
    """EXIF by hand: maker, orientation, exposure with a maker note and sizes, GPS, and a thumbnail in IFD1."""
    thumbnail = io.BytesIO()
    PICTURE.resize((16, 12)).save(thumbnail, format="JPEG")
    note, shot = MAKER + preview, thumbnail.getvalue()
    first, inner, gps = 8, 8 + 2 + 12 * 4 + 4, 8 + 2 + 12 * 4 + 4 + 2 + 12 * 3 + 4
    second = gps + 2 + 12 + 4
    maker_at = second + 2 + 24 + 4
    note_at = maker_at + 6
    shot_at = note_at + len(note)

    def entry(tag: int, kind: int, count: int, value: Any) -> bytes:
        if isinstance(value, bytes):
            body = value
        else:
            body = struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value)
        return struct.pack(order + "HHI", tag, kind, count) + body

    def directory(entries: list[bytes], after: int) -> bytes:
        return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", after)

    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", first)
    data += directory(
        [
            entry(0x010F, 2, 6, maker_at),
            entry(0x0112, 3, 1, orientation),
            entry(0x8769, 4, 1, inner),
            entry(0x8825, 4, 1, gps),
        ],
        second,
    )
    data += directory([entry(0x927C, 7, len(note), note_at), entry(0xA002, 4, 1, 48), entry(0xA003, 4, 1, 32)], 0)
    data += directory([entry(1, 2, 2, b"N\0\0\0")], 0)
    data += directory([entry(0x0201, 4, 1, shot_at), entry(0x0202, 4, 1, len(shot))], 0)
    return data + b"Canon\0" + note + shot


def _written(tmp_path: Path, name: str, **more: Any) -> Path:
    picture = load_image(tmp_path / "in.jpg")
    return save_image(picture.rgb, tmp_path / name, carried=picture.carried, **more)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in.jpg"
    PICTURE.save(path, exif=b"Exif\0\0" + _exif(), xmp=XMP, dpi=(300, 300), icc_profile=display_p3(), quality=95)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_patched_in_place(order: str) -> None:
    before = _exif(8, order)
    after = patched(before, (32, 48))
    assert len(after) == len(before) and MAKER in after and b"\xff\xd8\xff" not in after
    reader = Image.Exif()
    reader.load(after)
    assert (reader[0x0112], reader[0x010F]) == (1, "Canon")
    assert reader.get_ifd(0x8825)[1] == "N" and reader.get_ifd(0x8769)[0x927C] == MAKER
    assert (reader.get_ifd(0x8769)[0xA002], reader.get_ifd(0x8769)[0xA003]) == (32, 48)
    assert not reader.get_ifd(1)


def test_previews_in_maker_notes_are_blanked_and_nothing_else() -> None:
    preview = io.BytesIO()
    PICTURE.resize((20, 20)).save(preview, format="JPEG")
    after = patched(_exif(preview=preview.getvalue()))
    assert b"\xff\xd8\xff" not in after and MAKER in after and b"Canon" in after


@pytest.mark.parametrize("damage", [b"", b"II*\0", b"nonsense at all", _exif()[:40], _exif()[:-30]])
def test_damaged_exif_is_told_apart(damage: bytes) -> None:
    with pytest.raises(Damaged):
        patched(damage)


@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.webp", "out.tif"])
def test_everything_arrives_and_the_thumbnail_does_not(tmp_path: Path, photo: Path, name: str) -> None:
    path = _written(tmp_path, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(path)
        image.load()
    assert image.size == (32, 48) and image.info["icc_profile"] == display_p3()
    exif = image.getexif()
    assert exif.get(0x0112, 1) == 1 and exif[0x010F] == "Canon"
    assert exif.get_ifd(0x8825)[1] == "N" and exif.get_ifd(0x8769)[0x927C] == MAKER
    xmp = image.info.get("xmp") or image.tag_v2[700]  # type: ignore[attr-defined]
    assert b'dc:title="lake"' in xmp and b'tiff:Orientation="1"' in xmp
    if not name.endswith("webp"):
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    data = path.read_bytes()
    assert data[20:].find(b"\xff\xd8\xff") < 0
    if not name.endswith("jpg"):
        assert np.array_equal(np.asarray(image), np.asarray(load_image(photo).rgb))


def test_what_is_carried_is_told_and_can_be_left_out(tmp_path: Path, photo: Path) -> None:
    carried = load_image(photo).carried
    assert carried.describe() == (
        "carried: EXIF with GPS position, XMP, 300 dpi, profile; left out: thumbnail; --strip leaves all out"
    )
    bare = carried.stripped()
    assert bare.describe() is None and bare.icc == display_p3()
    path = save_image(load_image(photo).rgb, tmp_path / "bare.jpg", carried=bare)
    image = Image.open(path)
    assert "exif" not in image.info and "xmp" not in image.info and image.info["icc_profile"] == display_p3()
    assert Carried().describe() is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.webp"])
def test_every_orientation_ends_upright(tmp_path: Path, orientation: int, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    PICTURE.save(tmp_path / "in.jpg", exif=exif, quality=98)
    upright = load_image(tmp_path / "in.jpg").rgb
    again = load_image(_written(tmp_path, name))
    assert again.carried.orientation == 1 and again.size == upright.size
    assert np.abs(np.asarray(again.rgb, int) - np.asarray(upright, int)).mean() < 3


def test_too_much_for_a_jpeg_is_left_out_with_a_notice(tmp_path: Path) -> None:
    notices: list[str] = []
    carried = Carried(exif=_exif() + bytes(70_000), xmp=b"x" * 70_000)
    save_image(PICTURE, tmp_path / "a.jpg", carried=carried, notices=notices)
    assert len(notices) == 2 and "64 KB" in notices[0]
    save_image(PICTURE, tmp_path / "a.tif", carried=carried, notices=notices)
    assert "uncompressed" in notices[-1]


def test_xmp_loses_what_is_no_longer_there() -> None:
    packet = (
        b'<a hdrgm:Version="1.0" GCamera:MotionPhoto="1" keep="1"><xmp:Thumbnails><x>old</x></xmp:Thumbnails>'
        b"<Container:Directory><y/></Container:Directory><tiff:Orientation>8</tiff:Orientation></a>"
    )
    assert corrected(packet) == b'<a keep="1"><tiff:Orientation>1</tiff:Orientation></a>'


def test_color_chunks_of_a_png_are_written_back(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100_000))
    info.add(b"cICP", bytes([9, 16, 0, 1]))
    PICTURE.save(tmp_path / "in.png", pnginfo=info)
    picture = load_image(tmp_path / "in.png")
    assert any("HDR" in notice for notice in picture.carried.notices)
    save_image(picture.rgb, tmp_path / "out.png", {"scumble": "{}"}, carried=picture.carried)
    data = (tmp_path / "out.png").read_bytes()
    assert b"gAMA" + struct.pack(">I", 100_000) in data and b"cICP" + bytes([9, 16, 0, 1]) in data


def test_colors_stay_in_their_profile_and_convert_to_srgb_and_back() -> None:
    profile = profile_of(display_p3())
    assert profile is not None and profile.name == "Display P3"
    red = np.asarray(profile.from_srgb(Image.new("RGB", (1, 1), (255, 0, 0))))[0, 0]
    assert np.abs(red.astype(int) - (234, 51, 35)).max() <= 2
    assert profile_of(None) is None and profile_of(b"broken") is None
    from PIL import ImageCms

    assert profile_of(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) is None


def test_other_color_models_are_converted_by_their_profile(tmp_path: Path) -> None:
    dark = PICTURE.convert("L")
    dark.save(tmp_path / "grey.png", icc_profile=grey_gamma(1.0))
    linear = load_image(tmp_path / "grey.png")
    assert np.asarray(linear.rgb).mean() > np.asarray(dark).mean() + 20
    assert linear.carried.icc is None and any("by the picture's profile" in n for n in linear.carried.notices)
    dark.save(tmp_path / "usual.png", icc_profile=grey_gamma(2.2))
    PICTURE.convert("CMYK").save(tmp_path / "cmyk.jpg")
    assert any("CMYK without a profile" in n for n in load_image(tmp_path / "cmyk.jpg").carried.notices)
    error = np.abs(np.asarray(load_image(tmp_path / "cmyk.jpg").rgb, int) - np.asarray(PICTURE, int))
    assert error.mean() < 12
    lab = Image.merge("LAB", [Image.new("L", (4, 4), v) for v in (136, 128, 128)])
    lab.save(tmp_path / "lab.tif")
    assert np.ptp(np.asarray(load_image(tmp_path / "lab.tif").rgb)[0, 0].astype(int)) <= 6


def test_sixteen_bits_and_hdr_gain_maps_are_told(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    assert any("16 bits" in notice for notice in load_image(tmp_path / "deep.png").carried.notices)
    PICTURE.save(tmp_path / "gain.jpg", xmp=b'<a hdrgm:Version="1.0"/>')
    assert any("gain map" in notice for notice in load_image(tmp_path / "gain.jpg").carried.notices)


def test_the_picture_of_a_tiff_is_its_largest_page(tmp_path: Path) -> None:
    small = PICTURE.resize((12, 8))
    small.save(tmp_path / "a.tif", save_all=True, append_images=[PICTURE.copy(), small.copy()])
    picture = load_image(tmp_path / "a.tif")
    assert picture.size == PICTURE.size and np.array_equal(np.asarray(picture.rgb), np.asarray(PICTURE))
    assert picture.carried.notices[0] == "a.tif holds 3 pictures; the largest (48x32) was taken"


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    others = [Image.new("RGB", (48, 32), color) for color in ("red", "blue")]
    PICTURE.copy().save(tmp_path / "a.webp", save_all=True, append_images=others, lossless=True)
    picture = load_image(tmp_path / "a.webp")
    assert picture.carried.notices == ("a.webp is animated; the first of its 3 frames was taken",)


def test_a_phone_picture_opens_as_its_photo(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[PICTURE.resize((8, 8))])
    picture = load_image(tmp_path / "a.jpg")
    assert picture.size == PICTURE.size and picture.carried.format == "JPEG" and not picture.carried.notices


def test_heic_is_read_where_its_package_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    PICTURE.save(tmp_path / "a.heic", exif=exif.tobytes())
    assert load_image(tmp_path / "a.heic").size == (32, 48)
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(InputError, match="HEIC needs pillow-heif"):
        load_image(tmp_path / "a.heic")


def test_raw_files_say_how_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.nef").write_bytes(b"II*\0 no camera made this")
    with pytest.raises(InputError, match="cannot be developed"):
        load_image(tmp_path / "a.nef")
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(InputError, match=r"raw files need rawpy: pip install"):
        load_image(tmp_path / "a.nef")


def test_large_pictures_give_no_warning_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PICTURE.save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        assert load_image(tmp_path / "a.png").size == PICTURE.size
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(InputError, match="more pixels than"):
            load_image(tmp_path / "a.png")


def test_nothing_is_overwritten_unless_it_is_wanted(tmp_path: Path) -> None:
    from scumble.images import check_target

    path = save_image(PICTURE, tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png exists; give another name or --overwrite"):
        check_target(path, overwrite=False)
    with pytest.raises(InputError, match="the output is the input itself"):
        check_target(path, overwrite=False, source=tmp_path / "." / "a.png")
    with pytest.raises(InputError, match="exists"):
        save_image(PICTURE, path, overwrite=False)
    assert save_image(PICTURE, path) == path
