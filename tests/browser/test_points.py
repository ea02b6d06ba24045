"""Drag points: placed, moved by mouse and keys, warped at once, refused where nothing may change, measured after."""

from __future__ import annotations

from tests.browser.conftest import Studio


def dragging(studio: Studio) -> Studio:
    studio.page.get_by_role("button", name="Repaint by strength").click()
    studio.page.get_by_role("button", name="Pull and redraw").click()
    studio.until("studio.doc.method.value === 'warp-drag' && studio.view.tool.value === 'points'")
    return studio


def test_two_pairs_are_placed_moved_and_warped_at_once(studio: Studio) -> None:
    dragging(studio)
    studio.stroke((150, 150), (170, 150)).stroke((100, 180), (110, 190))
    assert len(studio.js("studio.doc.points.value")) == 2
    studio.until("studio.warp.value !== null")
    first = studio.js("studio.warp.value")
    target = studio.page.get_by_role("button", name="Target 1 at")
    x, y = studio.at(170, 150)
    studio.page.mouse.move(x, y)
    studio.page.mouse.down()
    studio.page.mouse.move(*studio.at(190, 140), steps=4)
    studio.page.mouse.up()
    moved = studio.js("studio.doc.points.value[0]")
    assert abs(moved[2] - 189.5) < 1 and abs(moved[3] - 139.5) < 1
    studio.until(f"studio.warp.value !== '{first}'")
    target.focus()
    studio.page.keyboard.press("ArrowLeft")
    studio.page.keyboard.press("Shift+ArrowDown")
    after = studio.js("studio.doc.points.value[0]")
    assert after[2] == moved[2] - 1 and after[3] == moved[3] + 10
    studio.page.keyboard.press("Control+z")
    assert studio.js("studio.doc.points.value[0]")[3] == moved[3]
    studio.page.get_by_role("button", name="Handle 2 at").focus()
    studio.page.keyboard.press("Delete")
    assert len(studio.js("studio.doc.points.value")) == 1


def test_a_handle_where_nothing_may_change_says_so_before_the_run(studio: Studio) -> None:
    studio.stroke((40, 40), (60, 60))
    before = studio.js("studio.server.jobs.value.size")
    dragging(studio).stroke((180, 180), (200, 180))
    studio.page.get_by_text("Handle 1 lies where nothing may change").wait_for()
    assert studio.js("studio.server.jobs.value.size") == before


def test_each_point_shows_how_far_it_got(studio: Studio) -> None:
    dragging(studio).stroke((150, 150), (175, 150))
    studio.number("Steps", "3").number("Candidates", "1").settle().edit()
    result = studio.result()
    assert len(result["arrival"]) == 1
    label = studio.page.locator(".pairs text.left")
    label.wait_for()
    words = label.text_content()
    assert "left" in words or "arrived" in words


def test_without_points_the_form_says_so(studio: Studio) -> None:
    dragging(studio).wait(state="error", settled="yes")
    assert "no points were given" in studio.page.locator(".fault").inner_text()
