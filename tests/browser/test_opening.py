"""Opening: at once while the model loads, every kind of picture the right way up, one sentence for what cannot be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Server, Studio


def scene(width: int, height: int) -> Image.Image:
    rows, columns = np.indices((height, width))
    return Image.fromarray(np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2).astype(np.uint8))


def test_the_page_can_be_used_while_the_model_is_still_being_loaded_and_speaks_to_this_machine_alone(
    own_server: Callable[..., Server], tab: Callable[..., Studio], still_life: Path
) -> None:
    server = own_server(still_life)
    server.start()
    studio = tab(server).wait(state="painting")
    assert studio.js("studio.server.model.value.state") in ("starting", "loading", "ready")
    studio.stroke((60, 60), (120, 120))
    assert studio.value(90, 90) > 0
    studio.wait(model="ready")
    assert all(url.startswith((server.base, "blob:", "data:")) for url in studio.requests)
    assert "token" not in studio.page.url


def test_exif_rotation_is_honored(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(120, 80).save(path, exif=exif)
    studio.open(path).wait(settled="yes")
    assert studio.js("[studio.doc.picture.value.width, studio.doc.picture.value.height]") == [80, 120]
    shown = studio.page.locator(".easel img").first
    assert shown.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [80, 120]


@pytest.mark.parametrize("kind", ["deep.png", "scan.tif", "photo.webp", "plain.bmp"])
def test_other_formats_are_shown_at_their_size(studio: Studio, tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    deep = Image.fromarray((np.indices((70, 90)).sum(0) * 400).astype(np.uint16))
    (deep if kind == "deep.png" else scene(90, 70)).save(path)
    studio.open(path).wait(settled="yes")
    assert studio.js("[studio.doc.picture.value.width, studio.doc.picture.value.height]") == [90, 70]
    shown = studio.page.locator(".easel img").first
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 90


def test_transparency_is_kept_where_nothing_was_painted_and_everywhere_when_asked(
    studio: Studio, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "alpha.png"
    alpha = Image.linear_gradient("L").resize((64, 64))
    both = scene(64, 64).convert("RGBA")
    both.putalpha(alpha)
    both.save(path)
    studio.open(path).wait(settled="yes")
    studio.stroke((20, 30), (40, 30)).words("a ball").number("Steps", "2").number("Candidates", "1").edit()
    made = Image.open(server.folder / studio.result()["file"])
    assert made.mode == "RGBA"
    before, after = np.asarray(alpha), np.asarray(made.getchannel("A"))
    painted = studio.map_bytes() > 0
    assert (after == before)[~painted].all() and (after >= before).all()
    assert (after > before)[painted].any()  # a new thing can be seen where the picture was clear
    first = studio.js("studio.view.selected.value")
    studio.js("studio.doc.setValue('transparency', 'keep')")
    studio.edit().until(f"studio.view.selected.value !== '{first}'")
    made = Image.open(server.folder / studio.result()["file"])
    assert made.getchannel("A").tobytes() == alpha.tobytes()


def test_twelve_megapixels_open_and_keep_their_size(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    scene(4000, 3000).save(path, quality=60)
    studio.open(path).wait(settled="yes")
    assert studio.js("studio.doc.map.value.data.length") == 12_000_000


def bomb(path: Path, side: int = 10_000) -> None:
    """A PNG whose header says 100 megapixels, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_each_unusable_file_gets_one_clear_sentence_and_nothing_is_lost(studio: Studio, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    cut = tmp_path / "cut.png"
    scene(200, 200).save(cut)
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    bomb(tmp_path / "bomb.png")
    (tmp_path / "empty.png").write_bytes(b"")
    moving = tmp_path / "moving.gif"
    scene(20, 20).save(moving, save_all=True, append_images=[scene(20, 20).rotate(90)])
    before: Any = studio.js("studio.doc.picture.value.id")
    expected = {
        "notes.txt": "known format",
        "cut.png": "cannot be read",
        "bomb.png": "100 megapixels",
        "empty.png": "empty file",
        "moving.gif": "animation",
    }
    for name, part in expected.items():
        studio.js("(studio.doc.notice.value = null)")
        studio.page.locator("input[type=file]").first.set_input_files(str(tmp_path / name))
        message = studio.page.get_by_role("alert")
        message.wait_for()
        words = message.inner_text()
        assert part in words and name in words, words
    assert studio.js("studio.doc.picture.value.id") == before
