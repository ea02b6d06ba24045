"""Maps on their way: bit for bit to the engine, out as a file, in again with the question of polarity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from scumble.hashing import tensor_sha256
from scumble.images import load_map
from tests.browser.conftest import Server, Studio, soft_disc


def engine_hash(path: Path) -> str:
    size = Image.open(path).size
    return tensor_sha256(load_map(path, size)[0])


def test_a_painted_map_reaches_the_engine_bit_for_bit(studio: Studio, server: Server) -> None:
    studio.stroke((40, 60), (200, 90), (120, 220)).settle()
    digest = studio.js("studio.doc.mapId.value")
    path = server.folder / ".scumble" / "maps" / digest / "map.png"
    assert engine_hash(path) == digest
    assert (np.asarray(Image.open(path)) == studio.map_bytes()).all()


def test_twelve_megapixels_arrive_bit_for_bit(studio: Studio, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (4000, 3000), (80, 100, 120)).save(path, compress_level=1)
    studio.open(path).wait(settled="yes")
    studio.stroke((500, 500), (3500, 2500)).settle()
    digest = studio.js("studio.doc.mapId.value")
    exported = server.folder / ".scumble" / "maps" / digest / "map.png"
    assert engine_hash(exported) == digest
    assert (np.asarray(Image.open(exported)) == studio.map_bytes()).all()


def test_export_reload_import_gives_the_same_map(studio: Studio, tmp_path: Path) -> None:
    studio.stroke((60, 60), (180, 140)).settle()
    before, digest = studio.map_hash(), studio.js("studio.doc.mapId.value")
    page = studio.page
    page.get_by_role("button", name="Map: shapes, import, export").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the map…").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    assert engine_hash(path) == digest
    page.reload()
    studio.wait(settled="yes", state="painting")
    page.get_by_role("button", name="Clear the map").click()
    page.get_by_role("button", name="Map: shapes, import, export").click()
    page.get_by_label("Map file").set_input_files(str(path))
    page.get_by_role("button", name="Use this map").click()
    page.get_by_role("dialog").wait_for(state="detached")
    studio.settle()
    assert studio.map_hash() == before
    assert studio.js("studio.doc.mapId.value") == digest


def test_importing_a_map_in_which_white_keeps_asks_and_shows_it_first(studio: Studio, tmp_path: Path) -> None:
    keeps = tmp_path / "keeps.png"
    Image.fromarray(255 - soft_disc()).save(keeps)
    page = studio.page
    page.get_by_role("button", name="Map: shapes, import, export").click()
    page.get_by_label("Map file").set_input_files(str(keeps))
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("img", name="The map over the picture").wait_for()
    assert studio.map_bytes().max() == 0
    dialog.get_by_role("radio", name="Keeps").click()
    share = (soft_disc() > 0).mean() * 100
    dialog.get_by_text(f"{share:.1f} % of the pixels may change").wait_for()
    page.get_by_role("button", name="Use this map").click()
    page.get_by_role("dialog").wait_for(state="detached")
    studio.settle()
    assert (studio.map_bytes() == soft_disc()).all()


def test_an_imported_map_of_another_shape_gets_the_sentence_of_the_engine(studio: Studio, tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    Image.new("L", (300, 100), 255).save(wide)
    studio.page.get_by_role("button", name="Map: shapes, import, export").click()
    studio.page.get_by_label("Map file").set_input_files(str(wide))
    studio.page.get_by_role("dialog").get_by_text("300x100").wait_for()
    assert studio.map_bytes().max() == 0
