"""The brush: exact strengths, exact undo, the exact border, pens and fingers, large pictures, every keyboard."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Studio


@pytest.fixture
def large(studio: Studio, tmp_path: Path) -> Studio:
    path = tmp_path / "large.png"
    Image.new("RGB", (4000, 3000), (90, 110, 130)).save(path, compress_level=1)
    studio.open(path).wait(settled="yes")
    return studio


def test_crossing_a_stroke_of_forty_percent_stays_forty_percent(studio: Studio) -> None:
    studio.strength(0.4)
    studio.stroke((40, 128), (220, 128), (128, 40), (128, 220))
    crossing, alone = studio.value(128, 128), studio.value(70, 128)
    assert crossing == alone == pytest.approx(0.4)
    studio.page.mouse.move(*studio.at(128.5, 128.5))
    assert studio.page.locator(".ring .value").inner_text() == "0.40"


def test_the_line_runs_exactly_where_the_strength_becomes_zero_and_the_status_counts(studio: Studio) -> None:
    studio.stroke((100, 100), (150, 130))
    values = studio.map_bytes()
    share, mean = (values > 0).mean(), values[values > 0].mean() / 255
    words = studio.page.get_by_test_id("may-change").inner_text()
    found = re.match(r"([\d.]+) % of the pixels may change, mean strength ([\d.]+)", words)
    assert found is not None, words
    assert float(found[1]) == pytest.approx(100 * share, abs=0.051)
    assert float(found[2]) == pytest.approx(mean, abs=0.0051)
    soft = values[(values > 0) & (values < 204)]
    assert soft.size > 100 and values.max() == 204

    studio.js("(studio.view.viewport.value = {scale: 8, x: -760, y: -500, fitted: false})")
    studio.page.mouse.move(5, 300)
    drawn = studio.page.locator("canvas.overlay").screenshot()
    studio.js("(studio.view.overlay.value = false)")
    plain = studio.page.locator("canvas.overlay").screenshot()
    before, after = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB"), int) for one in (plain, drawn))
    box = studio.page.locator(".stage").bounding_box()
    changed = np.abs(before - after).max(2) > 0
    rows, columns = np.indices(changed.shape)
    x, y = np.floor((columns + 760) / 8).astype(int), np.floor((rows + 500) / 8).astype(int)
    visible = (rows > 120) & (rows < box["height"] - 120) & (x >= 0) & (y >= 0) & (x < 256) & (y < 256)
    free = np.zeros_like(visible)
    free[visible] = values[y[visible], x[visible]] > 0
    assert (changed & free & visible).sum() == (free & visible).sum()
    outside = changed & ~free & visible  # half of the line's width may lie outside, nothing else
    near = np.zeros_like(free)
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            near |= np.roll(np.roll(free, dy, 0), dx, 1)
    assert not (outside & ~near).any()
    studio.js("(studio.view.overlay.value = true, studio.view.viewport.value = {scale: 1, x: 0, y: 0, fitted: true})")


def test_a_stroke_that_begins_and_ends_outside_is_whole_and_earlier_ones_stay(studio: Studio) -> None:
    studio.stroke((30, 30), (60, 30))
    first = studio.value(45, 30)
    mouse = studio.page.mouse
    mouse.move(*studio.at(-20, 128))
    mouse.down()
    for x, y in ((100, 128), (150, 270), (180, 128), (290, 128)):
        mouse.move(*studio.at(x, y), steps=8)
    mouse.up()
    assert studio.value(45, 30) == first > 0
    assert studio.value(2, 128) > 0 and studio.value(253, 128) > 0
    assert studio.js("studio.doc.history.past.length") == 2


def test_fifty_strokes_fifty_undos_fifty_redos(studio: Studio) -> None:
    empty = studio.map_hash()
    for k in range(50):
        studio.js(f"(studio.view.strength.value = {((k * 37) % 10 + 1) / 10})")
        studio.stroke(((k * 53) % 256, (k * 31) % 256), ((k * 29) % 256, (k * 71) % 256), parts=3)
    full = studio.map_hash()
    assert full != empty
    for _ in range(50):
        studio.page.keyboard.press("Control+z")
    assert studio.map_hash() == empty
    assert studio.js("studio.doc.statistics.value.count") == 0
    for _ in range(50):
        studio.page.keyboard.press("Control+Shift+z")
    assert studio.map_hash() == full
    studio.page.keyboard.press("Control+z")
    studio.stroke((10, 10), (20, 20), parts=2)
    assert not studio.js("studio.doc.historyState.value.redo")
    assert studio.page.get_by_role("button", name="Redo").is_disabled()


def test_eraser_takes_back_to_exactly_zero(studio: Studio) -> None:
    studio.stroke((100, 100), (150, 150))
    studio.page.keyboard.press("e")
    studio.js("(studio.view.size.value = 1, studio.view.hardness.value = 1)")
    studio.stroke((60, 60), (200, 200), (60, 200), (200, 60))
    assert studio.map_bytes().max() == 0
    assert "Nothing is painted" in studio.page.get_by_test_id("may-change").inner_text()


def test_gradient_lasso_fill_invert_and_disc_do_what_they_say(studio: Studio) -> None:
    keyboard = studio.page.keyboard
    studio.js("(studio.view.strength.value = 1)")
    keyboard.press("g")
    studio.stroke((0, 128), (255, 128))
    values = studio.map_bytes()
    assert values[100, 2] > 250 and values[100, 253] < 5 and (np.diff(values[100].astype(int)) <= 0).all()
    keyboard.press("i")
    assert (studio.map_bytes() == 255 - values).all()
    studio.page.get_by_role("button", name="Clear the map").click()
    assert studio.map_bytes().max() == 0
    keyboard.press("l")
    studio.stroke((50, 50), (200, 50), (200, 200), (50, 200), (50, 52))
    values = studio.map_bytes()
    assert values[120, 120] == 255 and values[30, 30] == 0
    assert (values > 0).mean() == pytest.approx((150 / 256) ** 2, rel=0.05)


def memory(studio: Studio) -> float:
    session = studio.page.context.new_cdp_session(studio.page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    return float(usage["usedSize"]) + float(usage.get("backingStorageSize", 0))


def test_twelve_megapixels_take_strokes_and_memory_does_not_grow_without_end(large: Studio) -> None:
    large.js("(studio.view.size.value = 300 / 4000, studio.doc.history.budget = 32 * 2 ** 20)")
    strokes = """() => { const { doc } = studio; const stage = document.querySelector('.stage');
      const send = (type, x, y) => stage.dispatchEvent(new PointerEvent(type, {pointerId: 7, pointerType: 'mouse',
        bubbles: true, clientX: x, clientY: y, button: 0, buttons: 1, pressure: .5}));
      stage.setPointerCapture = () => undefined;
      const box = stage.getBoundingClientRect(); const moves = [];
      for (let k = 0; k < COUNT; k++) { const x = box.x + 200 + (k * 37) % 600, y = box.y + 150 + (k * 53) % 350;
        send('pointerdown', x, y);
        for (let m = 1; m < 6; m++) { const at = performance.now(); send('pointermove', x + 12 * m, y + 6 * m);
          moves.push(performance.now() - at); }
        send('pointerup', x + 60, y + 30); }
      delete stage.setPointerCapture; moves.sort((a, b) => a - b);
      return [moves[Math.floor(moves.length / 2)], moves[Math.floor(moves.length * .95)]]; }"""
    large.page.evaluate(strokes.replace("COUNT", "100"))
    first = memory(large)
    median, slow = large.page.evaluate(strokes.replace("COUNT", "500"))
    print(json.dumps({"12 MP, 300 px brush, ms a move": {"median": median, "p95": slow}}))
    assert memory(large) - first < 24 * 2**20
    assert large.js("studio.doc.history.past.reduce((sum, one) => sum + one.bytes, 0)") <= 32 * 2**20


def pen(studio: Studio, places: list[tuple[float, float, float]]) -> None:
    """A stroke of a pen with a pressure at each place."""
    session = studio.page.context.new_cdp_session(studio.page)
    for k, (x, y, force) in enumerate(places):
        sx, sy = studio.at(x, y)
        kind = "mousePressed" if k == 0 else "mouseMoved"
        session.send(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": sx, "y": sy, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen",
             "force": force},
        )  # fmt: skip
    sx, sy = studio.at(*places[-1][:2])
    session.send(
        "Input.dispatchMouseEvent",
        {"type": "mouseReleased", "x": sx, "y": sy, "button": "left", "clickCount": 1, "pointerType": "pen"},
    )
    session.detach()


def test_the_pressure_of_a_pen_changes_size_or_strength(studio: Studio) -> None:
    studio.js("(studio.view.pressure.value = 'size', studio.view.hardness.value = 1, studio.view.strength.value = 1)")
    pen(studio, [(128, y, 0.2 + 0.8 * (y - 40) / 180) for y in range(40, 221, 10)])
    values = studio.map_bytes()
    thin, thick = (values[60] > 0).sum(), (values[200] > 0).sum()
    assert 0 < thin < 0.6 * thick
    studio.page.keyboard.press("Control+z")
    studio.js("(studio.view.pressure.value = 'strength')")
    pen(studio, [(128, y, 0.2 + 0.8 * (y - 40) / 180) for y in range(40, 221, 10)])
    values = studio.map_bytes()
    assert 0 < values[50, 128] < 150 < values[210, 128]
    assert (values[60] > 0).sum() == pytest.approx((values[200] > 0).sum(), abs=3)
    studio.js("(studio.view.pressure.value = 'size')")


def touches(session: Any, kind: str, places: list[tuple[float, float]]) -> None:
    points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_two_fingers_zoom_and_pan_one_paints_and_the_page_never_scrolls(
    tab: Any, server: Any, still_life: Path
) -> None:
    studio = tab(server, width=390, height=844, has_touch=True, is_mobile=True).fresh(still_life)
    session = studio.page.context.new_cdp_session(studio.page)
    scale = float(studio.page.locator(".stage").get_attribute("data-scale"))
    a, b = studio.at(100, 128), studio.at(156, 128)
    touches(session, "touchStart", [a])
    touches(session, "touchStart", [a, b])
    for k in range(1, 9):
        touches(session, "touchMove", [(a[0] - 6 * k, a[1] + 2 * k), (b[0] + 6 * k, b[1] + 2 * k)])
    touches(session, "touchEnd", [])
    studio.until(f"studio.view.viewport.value.scale > {scale * 1.2}")
    assert studio.js("studio.doc.statistics.value.count") == 0
    c, d = studio.at(110, 110), studio.at(150, 150)
    touches(session, "touchStart", [c])
    for k in range(1, 6):
        touches(session, "touchMove", [(c[0] + (d[0] - c[0]) * k / 5, c[1] + (d[1] - c[1]) * k / 5)])
    touches(session, "touchEnd", [])
    studio.until("studio.doc.statistics.value.count > 0")
    assert studio.value(130, 130) > 0
    assert studio.js("[scrollX, scrollY, document.scrollingElement.scrollTop]") == [0, 0, 0]


def test_at_800_percent_pixels_are_sharp_and_a_stamp_lands_under_the_cursor(studio: Studio) -> None:
    studio.js("(studio.view.size.value = 1 / 256, studio.view.hardness.value = 1, studio.view.strength.value = 1)")
    studio.page.mouse.move(*studio.at(128, 128))
    for _ in range(20):
        studio.page.mouse.wheel(0, -120)
        if studio.js("studio.view.viewport.value.scale") >= 8:
            break
    studio.until("studio.view.viewport.value.scale >= 8")
    assert studio.page.locator(".easel img").first.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"
    for x, y in ((131, 127), (125, 133)):
        studio.page.mouse.move(*studio.at(x + 0.5, y + 0.5))
        studio.page.mouse.down()
        studio.page.mouse.up()
    assert sorted(map(tuple, np.argwhere(studio.map_bytes() > 0).tolist())) == [(127, 131), (133, 125)]
    size = studio.page.locator(".ring").bounding_box()["width"]
    assert size == pytest.approx(studio.js("studio.view.viewport.value.scale"), abs=0.6)


def test_keys_go_by_their_place_and_are_off_while_typing(studio: Studio) -> None:
    before = studio.js("studio.view.size.value")
    studio.page.evaluate(
        "() => dispatchEvent(new KeyboardEvent('keydown', {key: 'ü', code: 'BracketLeft', bubbles: true}))"
    )
    assert studio.js("studio.view.size.value") < before
    studio.page.evaluate(
        "() => dispatchEvent(new KeyboardEvent('keydown', {key: '+', code: 'BracketRight', bubbles: true}))"
    )
    assert studio.js("studio.view.size.value") == pytest.approx(before)
    studio.page.keyboard.press("e")
    studio.page.get_by_role("textbox", name="Words", exact=True).press_sequentially("big blue [box] 5")
    assert studio.js("[studio.view.tool.value, studio.view.strength.value]") == ["eraser", 0.8]
    studio.page.locator(".stage").focus()
    studio.page.keyboard.press("b")
    studio.page.keyboard.press("5")
    assert studio.js("[studio.view.tool.value, studio.view.strength.value]") == ["brush", 0.5]
