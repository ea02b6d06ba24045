"""Pictures: judged by their header, kept as they came, named safely."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from scumble.errors import InputError
from scumble.studio.pictures import Pictures, inspect, safe_name


def png(size: tuple[int, int] = (8, 6), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_very_bytes_are_kept_once_under_their_hash(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    digest, seen = pictures.add(png(), "photo.png")
    assert (seen.width, seen.height) == (8, 6)
    path = pictures.path(digest)
    assert path is not None
    assert path.read_bytes() == png()
    assert pictures.add(png(), "other.png")[1].name == "photo.png"


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../x.png", "x.png"),
        ("C:\\a\\b.png", "b.png"),
        ("a;rm -rf.png", "a_rm -rf.png"),
        ("...", "picture"),
        ("Bär.jpg", "Bär.jpg"),
    ],
)
def test_names_lose_what_could_hurt(given: str, safe: str) -> None:
    assert safe_name(given) == safe


def test_a_large_picture_is_refused_before_it_is_decoded() -> None:
    whole = png((1, 1))
    header = whole[:16] + (20000).to_bytes(4, "big") + (20000).to_bytes(4, "big") + whole[24:]
    import zlib

    header = header[:29] + zlib.crc32(header[12:29]).to_bytes(4, "big") + header[33:]
    with pytest.raises(InputError, match="400 megapixels"):
        inspect(header, "bomb.png")


@pytest.mark.parametrize("data", [b"", b"text", png()[:40]])
def test_what_is_no_whole_picture_gets_one_sentence(data: bytes) -> None:
    with pytest.raises(InputError, match=r"x\.png") as error:
        inspect(data, "x.png")
    assert "\n" not in str(error.value)


def test_a_recipe_that_is_no_recipe_is_ignored() -> None:
    from PIL.PngImagePlugin import PngInfo

    for text in ("[1, 2]", "{", '{"method": 3}'):
        info, buffer = PngInfo(), io.BytesIO()
        info.add_text("scumble", text)
        Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info)
        assert inspect(buffer.getvalue(), "x.png").recipe is None
