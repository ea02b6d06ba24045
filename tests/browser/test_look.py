"""How it looks: five states, dark and light, desk and telephone; nothing sticks out or jumps; the README picture."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import Server, Studio

WORDS = "a large red sphere on a wooden floor by day"


def paint(studio: Studio) -> Studio:
    """Two strokes of different strength, as a person would paint."""
    studio.js("(studio.view.size.value = 0.3, studio.view.strength.value = 0.8, null)")
    studio.stroke((160, 160), (210, 190))
    studio.js("(studio.view.size.value = 0.2, studio.view.strength.value = 0.4, null)")
    studio.stroke((60, 170), (100, 210)).words(WORDS).number("Steps", "6").number("Candidates", "3")
    studio.page.mouse.move(*studio.at(84, 194))
    return studio.settle()


def sticking_out(studio: Studio) -> list[str]:
    """Controls that are cut off by what holds them, or lie outside the window."""
    return list(
        studio.page.evaluate(
            """() => [...document.querySelectorAll('.bar > *, .panel button, .panel input, .act *, .status .note, '
                + '.message *, dialog, dialog .content > *, dialog input, dialog header *, .fan, .find *')]
              .filter(node => node.checkVisibility() && !node.closest('.asks, .unseen') && !node.matches('.unseen'))
              .filter(node => !node.closest('.content') || node.getBoundingClientRect().right > innerWidth
                || node.getBoundingClientRect().right > node.closest('dialog').getBoundingClientRect().right)
              .filter(node => { const box = node.getBoundingClientRect();
                return box.width && (box.left < -1 || box.right > innerWidth + 1 || node.closest('.content')
                  || box.bottom > innerHeight + 1); })
              .map(node => node.outerHTML.slice(0, 100))"""
        )
    )


def shot(studio: Studio, name: str, tmp_path: Path) -> Path:
    """Take a picture; with SCUMBLE_SHOTS it is kept there."""
    folder = Path(os.environ.get("SCUMBLE_SHOTS", tmp_path))
    path = folder / f"{name}.png"
    studio.page.screenshot(path=path)
    return path


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_state_fits_its_window(
    tab: Callable[..., Studio], server: Server, still_life: Path, tmp_path: Path, width: int, height: int, theme: str
) -> None:
    studio = tab(server, width=width, height=height)
    studio.js(f"(studio.view.theme.value = '{theme}')")
    studio.fresh(still_life)
    name = f"{theme}-{width}"
    paint(studio)
    stage = studio.page.locator(".stage").bounding_box()
    shot(studio, f"painting-{name}", tmp_path)
    assert sticking_out(studio) == []
    studio.number("Guidance", "120").wait(state="error", settled="yes")
    shot(studio, f"error-{name}", tmp_path)
    assert sticking_out(studio) == []
    studio.number("Guidance", "5").wait(state="painting", settled="yes").edit()
    studio.until("studio.server.working.value.some(job => job.edit === studio.doc.edit.value)")
    shot(studio, f"running-{name}", tmp_path)
    assert sticking_out(studio) == []
    if width > 1000:
        assert studio.page.locator(".stage").bounding_box() == stage  # progress moves nothing
    studio.result()
    shot(studio, f"comparing-{name}", tmp_path)
    assert sticking_out(studio) == []
    for dialog in ("methods", "settings", "keys", "map", "code", "history", "shelf"):
        studio.js(f"(studio.view.dialog.value = '{dialog}')")
        studio.page.get_by_role("dialog").wait_for()
        shot(studio, f"{dialog}-{name}", tmp_path)
        assert sticking_out(studio) == [], dialog
    studio.js("(studio.view.dialog.value = null, studio.view.selected.value = null, null)")
    for message, signal in (("gone", "connected"), ("changed", "elsewhere"), ("unread", "news")):
        value = {"connected": "false", "elsewhere": "1e9", "news": "{text: 'x'.repeat(300), kind: 'fault'}"}[signal]
        before = studio.js(f"studio.server.{signal}.value")
        studio.js(f"(studio.server.{signal}.value = {value}, null)")
        studio.page.locator(".message").wait_for()
        assert studio.page.locator(".message").bounding_box()["height"] < 220  # a sentence, not a column of letters
        shot(studio, f"{message}-{name}", tmp_path)
        assert sticking_out(studio) == [], message
        studio.js(f"(studio.server.{signal}.value = {json.dumps(before)}, studio.doc.notice.value = null, null)")
    studio.page.get_by_role("button", name="Find…").click()
    studio.page.get_by_role("button", name="More or less of something").click()
    shot(studio, f"find-{name}", tmp_path)
    assert sticking_out(studio) == []
    studio.js("(studio.doc.picture.value = null)")
    studio.wait(state="empty")
    shot(studio, f"empty-{name}", tmp_path)
    assert sticking_out(studio) == []


def test_the_picture_of_the_readme(
    tab: Callable[..., Studio], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    from scumble.cli.world_commands import render_pictures

    folder = tmp_path_factory.mktemp("readme")
    render_pictures(folder, count=1, seed=45, size=512, truths=False)
    (folder / "000045.png").rename(folder / "still-life.png")
    server = Server(folder / "scumble", Path("still-life.png"), cwd=folder)
    server.start()
    try:
        studio = tab(server, width=1280, height=800)
        studio.js("(studio.view.theme.value = 'dark')")
        studio.wait(model="ready")
        studio.js("(studio.view.size.value = 0.4, studio.view.strength.value = 1, null)")
        studio.stroke((270, 280), (420, 280), (420, 400), (300, 400), (340, 340))
        studio.js("(studio.view.size.value = 0.2, null)")
        studio.strength(0.4).stroke((90, 400), (150, 430)).words("a large red sphere on a wooden floor by day")
        studio.number("Steps", "40" if "SCUMBLE_README" in os.environ else "2").edit()
        studio.result()
        studio.page.get_by_role("button", name="Go on painting").click()
        studio.page.locator(".stage").focus()
        studio.page.mouse.move(*studio.at(130, 420))
        studio.until("studio.server.plan.value?.rows || (studio.doc.changedDocument(), false)")
        studio.until("[...document.querySelectorAll('.card img')].every(image => image.complete)")
        png = shot(studio.settle(), "readme", tmp_path)
    finally:
        server.close()
    target = Path(os.environ.get("SCUMBLE_README", tmp_path / "studio.jpg"))
    Image.open(png).convert("RGB").save(target, quality=84, optimize=True)
    assert target.stat().st_size < 150_000


def test_a_fan_of_strengths_sets_the_brush_by_its_look_and_is_seen_through_what_is_painted(studio: Studio) -> None:
    studio.stroke((100, 100), (140, 140)).words("a blue ball").number("Steps", "4").wait(settled="yes", model="ready")
    studio.page.get_by_role("button", name="Fan").click()
    card = studio.page.get_by_role("option", name="Strength 0.38")
    card.hover()
    studio.page.locator(".easel img.over").wait_for()
    studio.page.get_by_role("switch", name="Paint with these").check()
    card.click()
    assert studio.js("studio.view.strength.value") == pytest.approx(0.38)
    studio.page.locator(".fan").wait_for(state="detached")
    alpha = """(at => { const c = document.querySelector('canvas.through'); return c?.width ? c.getContext('2d')
      .getImageData(at * c.width / 256, at * c.height / 256, 1, 1).data[3] : -1; })"""
    studio.until(f"{alpha}(120) > 200 && {alpha}(220) === 0")
    studio.stroke((220, 200), (220, 240))
    studio.until(f"{alpha}(220) > 200")
    studio.words("a green cube").page.locator("canvas.through").wait_for(state="detached")  # made for other words


def test_live_mode_shows_the_edit_after_each_stroke_and_keeps_nothing(studio: Studio, server: Server) -> None:
    kept = set(server.folder.glob("*.png"))
    studio.words("a blue ball").number("Steps", "3").wait(settled="yes", model="ready")
    studio.page.get_by_role("button", name="Live").click()
    studio.stroke((100, 100), (140, 140))
    studio.until("studio.quick.live.value !== null")
    first = studio.js("studio.quick.live.value")
    studio.stroke((160, 160), (190, 190))
    studio.until(f"studio.quick.live.value !== '{first}'")
    studio.page.get_by_role("button", name="Live").click()
    assert studio.js("studio.quick.live.value") is None
    assert set(server.folder.glob("*.png")) == kept
