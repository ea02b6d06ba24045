"""Other ways to the same: dropped and pasted pictures, a file chosen by keys, a finger on the slider, the legend."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scumble.controls.change_map import release_index
from tests.browser.conftest import Server, Studio
from tests.browser.test_journey import run
from tests.browser.test_painting import touches
from tests.browser.test_shelf import method


def hand_over(studio: Studio, path: Path, how: str) -> None:
    """Drop a file on the page, or paste it."""
    content = base64.b64encode(path.read_bytes()).decode()
    studio.page.evaluate(
        """async ([content, name, how]) => {
          const bytes = Uint8Array.from(atob(content), one => one.charCodeAt(0));
          const data = new DataTransfer(); data.items.add(new File([bytes], name, {type: 'image/png'}));
          const event = how === 'drop' ? new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})
            : new ClipboardEvent('paste', {clipboardData: data, bubbles: true});
          (how === 'drop' ? document.querySelector('.house') : window).dispatchEvent(event); }""",
        [content, path.name, how],
    )


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(studio: Studio, still_life: Path, how: str) -> None:
    studio.js("(studio.doc.picture.value = null)")
    studio.wait(state="empty")
    hand_over(studio, still_life, how)
    studio.wait(state="painting")
    assert studio.js("studio.doc.picture.value.name") == "still-life.png"


def test_a_file_is_chosen_with_the_keyboard(studio: Studio, still_life: Path) -> None:
    studio.js("(studio.doc.picture.value = null)")
    studio.wait(state="empty")
    with studio.page.expect_file_chooser() as chosen:
        studio.page.get_by_role("button", name="Open a picture…").focus()
        studio.page.keyboard.press("Enter")
    chosen.value.set_files(str(still_life))
    studio.wait(state="painting")
    assert studio.js("studio.doc.picture.value.id") == hashlib.sha256(still_life.read_bytes()).hexdigest()


def test_the_legend_says_until_which_step_a_strength_is_held(studio: Studio) -> None:
    studio.strength(0.4).stroke((100, 100), (160, 160)).words("a ball").number("Steps", "50").settle()
    studio.until("studio.server.plan.value?.steps === 50")
    studio.page.mouse.move(*studio.at(130.5, 130.5))
    words = studio.page.locator(".legend").inner_text()
    found = re.search(r"0\.40 is held until step (\d+) of 50", " ".join(words.split()))
    engine = release_index(torch.tensor(102 / 255), 50)  # 0.40 in the steps of 8 bits
    assert found is not None and int(found[1]) == int(engine)


def test_a_result_of_a_method_with_a_mask_brings_its_painted_map_back(studio: Studio, server: Server) -> None:
    method(studio, "Repaint a region").strength(0.6).stroke((100, 120), (180, 160)).words("a green cone")
    studio.number("Steps", "3").number("Candidates", "1").settle().edit()
    result, before = studio.result(), studio.map_hash()
    studio.js("(studio.doc.picture.value = null, studio.doc.map.value = null)")
    studio.open(server.folder / result["file"])
    studio.page.get_by_text("Everything that made it is back").wait_for()
    studio.settle()
    assert studio.map_hash() == before and studio.js("studio.doc.method.value") == "blended-latent-diffusion"
    assert json.loads(run(["redo", str(server.folder / result["file"]), "--json"]))["largest"] == 0


def test_a_finger_moves_the_slider(tab: Callable[..., Studio], server: Server, still_life: Path) -> None:
    studio = tab(server, width=390, height=844, has_touch=True, is_mobile=True).fresh(still_life)
    studio.stroke((100, 100), (150, 150)).words("a cube").number("Steps", "2").number("Candidates", "1").edit()
    studio.result()
    box = studio.page.get_by_role("slider", name="Divider between before and after").bounding_box()
    session = studio.page.context.new_cdp_session(studio.page)
    start, end = (box["x"] + box["width"] / 2, box["y"] + 40), studio.at(64, 40)
    touches(session, "touchStart", [start])
    for k in range(1, 6):
        touches(session, "touchMove", [(start[0] + (end[0] - start[0]) * k / 5, start[1])])
    touches(session, "touchEnd", [])
    studio.until("Math.abs(studio.view.split.value - 0.25) < 0.02")
    assert studio.page.evaluate("window.scrollX === 0 && window.scrollY === 0")  # the page itself did not move
