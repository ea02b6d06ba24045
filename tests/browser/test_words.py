"""Words and where they are: a map from a word, several texts with a map each, and the same from the command line."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
from PIL import Image

from tests.browser.conftest import STEPS, Server, Studio
from tests.browser.test_journey import run


def test_a_word_is_found_seen_and_painted_on(studio: Studio, server: Server) -> None:
    page = studio.wait(model="ready").page
    page.get_by_role("button", name="Find…").click()
    page.get_by_role("textbox", name="Find", exact=True).fill("the cube")
    page.get_by_role("textbox", name="The picture shows", exact=True).fill("a yellow cube on a wooden floor")
    page.get_by_role("button", name="Find it").click()
    studio.until("studio.doc.statistics.value.count > 0")
    found = studio.map_bytes()
    assert set(np.unique(found)) == {0, round(0.8 * 255)}
    assert found[190, 190] > 0 and found[20, 20] == 0  # the cube of this scene, and its sky
    page.get_by_role("textbox", name="Find", exact=True).fill("the dragon")
    page.get_by_role("button", name="Find it").click()
    fault = page.locator(".find .fault")
    fault.wait_for()
    assert "dragon" in fault.inner_text()
    page.get_by_role("button", name="Find…").click()
    studio.stroke((20, 20), (40, 20)).settle()
    assert studio.value(30, 20) > 0.5
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    assert studio.map_bytes().max() == 0


def test_texts_hold_where_they_are_painted_with_their_weights_and_the_command_line_makes_the_same_bytes(
    studio: Studio, server: Server, tmp_path: Path
) -> None:
    page = studio.page
    studio.stroke((60, 150), (200, 150)).words("a red ball on sand").number("Steps", str(STEPS))
    places_of = {"a red ball": [(60, 150), (90, 150)], "a green cube": [(170, 150), (200, 150)]}
    for number, (text, places) in enumerate(places_of.items(), start=1):
        page.get_by_role("button", name="Words for a place").click()
        studio.until(f"document.activeElement?.ariaLabel === 'Words for place {number}'")
        page.keyboard.type(text)
        studio.stroke(*places)
    page.get_by_role("textbox", name="Weight of a green cube").fill("1,5")
    page.get_by_role("button", name="More or less of something").click()
    studio.until("document.activeElement?.ariaLabel === 'Words to add 3'")
    page.keyboard.type("clouds")
    page.get_by_role("textbox", name="Weight of clouds").fill("-3")
    page.get_by_role("textbox", name="Holds until percent of the steps").fill("200")
    page.get_by_text("end must be at most 1, got 2").wait_for()
    page.get_by_role("textbox", name="Holds until percent of the steps").fill("100")
    studio.wait(plan="ok", settled="yes")
    assert studio.value(130, 150) > 0  # places have maps of their own: what may change is as it was
    shown = studio.js("studio.doc.request().places")
    assert [(one["text"], one["weight"], one["mode"]) for one in shown] == [
        ("a red ball", 1, "blend"), ("a green cube", 1.5, "blend"), ("clouds", -3, "add"),
    ]  # fmt: skip
    for one, (inside, outside) in zip(shown[:2], [(75, 190), (190, 75)], strict=True):
        mask = np.asarray(Image.open(server.folder / ".scumble" / "maps" / one["map"] / "map.png"))
        assert mask[150, inside] > 0 and mask[150, outside] == 0
    studio.edit()
    result = studio.result()
    words = shlex.split(result["command"])
    assert (words.count("--at"), words.count("--placed-words"), words.count("--also-words")) == (1, 1, 1)
    assert words[words.index("--also-words") + 1] == "clouds:-3"
    again = tmp_path / "again.png"
    run([*words[1:-1], str(again)])
    assert again.read_bytes() == (server.folder / result["file"]).read_bytes()
    page.get_by_role("button", name="Make it again and compare").click()
    studio.until("studio.doc.notice.value?.text.includes('every pixel is the same')")
    page.reload()
    studio.wait(settled="yes")
    studio.until("studio.doc.request().places.length === 3")
    assert studio.js("studio.doc.request().places") == shown
    studio.js("(studio.doc.picture.value = null, studio.doc.map.value = null)")
    studio.open(server.folder / result["file"]).wait(settled="yes")
    studio.until("studio.doc.request().places.length === 3")
    back = studio.js("studio.doc.request().places")
    assert sorted(back, key=lambda one: one["text"]) == sorted(shown, key=lambda one: one["text"])
