"""After the edit: compare, prove, star, trash, repeat, restore from a file, the equal command line."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Server, Studio


@pytest.fixture
def made(studio: Studio) -> Studio:
    studio.stroke((100, 120), (180, 160)).words("a blue cylinder").number("Steps", "3")
    studio.number("Candidates", "1").settle().edit()
    studio.result()
    return studio


def test_the_proof_and_the_heat_map_are_true(made: Studio, server: Server, still_life: Path) -> None:
    result = made.result()
    free = made.map_bytes() > 0
    words = made.page.get_by_test_id("proof").inner_text()
    assert words.startswith(f"0 of {(~free).sum():,} protected pixels changed")
    made.page.get_by_role("radio", name="What changed").click()
    answer = made.page.request.get(f"{server.base}api/results/{result['id']}/change.png")
    heat = np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB"), int)
    before = np.asarray(Image.open(still_life).convert("RGB"), int)
    after = np.asarray(Image.open(server.folder / result["file"]).convert("RGB"), int)
    changed = np.abs(before - after).max(2) > 0
    grey = np.ptp(heat, axis=2) <= 1
    assert not (changed & ~free).any()
    assert grey[~free].all()
    assert (~grey[changed & ~_edge(free)]).mean() > 0.8


def _edge(free: np.ndarray) -> np.ndarray:
    inner = free.copy()
    for axis in (0, 1):
        for way in (1, -1):
            inner &= np.roll(free, way, axis)
    return free & ~inner


def test_the_slider_works_by_mouse_and_by_keyboard(made: Studio) -> None:
    knob = made.page.get_by_role("slider", name="Divider between before and after")
    box = knob.bounding_box()
    made.page.mouse.move(box["x"] + 12, box["y"] + 60)
    made.page.mouse.down()
    made.page.mouse.move(*made.at(64, 60))
    made.page.mouse.up()
    assert made.js("studio.view.split.value") == pytest.approx(0.25, abs=0.01)
    knob.focus()
    made.page.keyboard.press("ArrowRight")
    assert made.js("studio.view.split.value") == pytest.approx(0.27, abs=0.01)
    made.page.keyboard.press("End")
    assert knob.get_attribute("aria-valuenow") == "100"


def test_dropping_the_file_on_a_fresh_page_brings_everything_back(
    made: Studio, server: Server, tab: Callable[..., Studio], still_life: Path
) -> None:
    result, before = made.result(), made.map_hash()
    fresh = tab(server).fresh(still_life)
    fresh.page.locator("input[type=file]").first.set_input_files(str(server.folder / result["file"]))
    fresh.page.get_by_text("Everything that made it is back").wait_for()
    fresh.settle()
    assert fresh.map_hash() == before
    assert fresh.js("[studio.doc.method.value, studio.doc.seed.value, studio.doc.picture.value.id]") == [
        "differential-diffusion", 42, result["picture"],
    ]  # fmt: skip
    assert fresh.js("studio.doc.changed.value") == {"prompt": "a blue cylinder", "num_inference_steps": 3}


def test_a_file_whose_sources_are_elsewhere_says_what_is_missing(
    made: Studio, server: Server, own_server: Callable[..., Server], tab: Callable[..., Studio], tmp_path: Path
) -> None:
    result = made.result()
    other = own_server(None, folder=tmp_path / "elsewhere")
    other.start()
    fresh = tab(other)
    fresh.until("studio.server.methods.value.length > 0")
    fresh.page.locator("input[type=file]").first.set_input_files(str(server.folder / result["file"]))
    alert = fresh.page.get_by_role("alert")
    alert.wait_for()
    words = alert.inner_text()
    assert "still-life.png" in words and result["map"][:12] in words
    assert fresh.js("studio.doc.changed.value.prompt") == "a blue cylinder"


def test_making_it_again_finds_no_difference(made: Studio) -> None:
    made.page.get_by_role("button", name="Make it again and compare").click()
    said = made.page.get_by_text("every pixel is the same")
    said.wait_for()
    assert "made again" in said.inner_text()


def test_stars_trash_and_history(made: Studio, server: Server) -> None:
    result = made.result()
    made.page.get_by_role("button", name="Star this result").click()
    made.until(f"studio.server.results.value.get('{result['id']}').star")
    made.page.get_by_role("button", name="History of all results").click()
    made.page.get_by_role("button", name="bring everything back").first.click()
    made.settle()
    assert made.js("studio.doc.changed.value.prompt") == "a blue cylinder"
    made.js(f"(studio.view.selected.value = '{result['id']}')")
    made.page.get_by_role("button", name="Discard this result").click()
    made.until(f"!studio.server.results.value.has('{result['id']}')")
    assert not (server.folder / result["file"]).exists()
    assert (server.folder / ".scumble" / "trash" / result["file"]).exists()


def test_a_pasted_command_line_fills_the_form(studio: Studio) -> None:
    studio.settle()
    studio.page.locator(".code").click()
    line = "scumble edit x.png --map m.png --prompt 'a green cone' --steps 7 --guidance-scale 3 --seed 9"
    line += " --also-words clouds:-3 -o y.png"
    studio.page.get_by_label("A command line to take over").fill(line)
    studio.page.get_by_role("button", name="Fill the form with it").click()
    studio.until("studio.doc.seed.value === 9")
    assert studio.js("studio.doc.changed.value") == {
        "prompt": "a green cone", "num_inference_steps": 7, "guidance_scale": 3,
    }  # fmt: skip
    added = studio.js("studio.doc.request().places[0]")
    assert (added["text"], added["weight"], added["mode"]) == ("clouds", -3, "add")
