"""With keys alone, for a screen reader, and closed to everybody else."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from tests.browser.conftest import Server, Studio


def test_with_the_keyboard_alone(studio: Studio) -> None:
    keyboard, page = studio.page.keyboard, studio.page
    page.get_by_role("button", name="Map: shapes, import, export").focus()
    keyboard.press("Enter")
    page.get_by_label("Strength", exact=True).and_(page.locator("dialog input")).fill("0.6")
    keyboard.press("Enter")
    studio.until("studio.doc.statistics.value.count > 0")
    assert studio.value(128, 128) == pytest.approx(0.6)
    page.get_by_role("textbox", name="Words", exact=True).focus()
    keyboard.type("a red ball")
    page.get_by_role("textbox", name="Steps", exact=True).focus()
    keyboard.press("Control+a")
    keyboard.type("3")
    page.get_by_role("textbox", name="Candidates", exact=True).focus()
    keyboard.press("Control+a")
    keyboard.type("1")
    keyboard.press("Tab")
    studio.settle()
    keyboard.press("Control+Enter")
    studio.result()
    page.get_by_role("slider", name="Divider between before and after").focus()
    keyboard.press("Home")
    assert studio.js("studio.view.split.value") == 0
    link = page.get_by_role("link", name="Save as…")
    link.focus()
    with page.expect_download() as saved:
        keyboard.press("Enter")
    assert saved.value.suggested_filename.endswith(".png")


def test_arrows_move_the_crosshair_and_space_stamps(studio: Studio) -> None:
    studio.js("(studio.view.cursor.value = null)")
    studio.page.locator(".stage").focus()
    for key in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
        studio.page.keyboard.press(key)
    cursor = studio.js("studio.view.cursor.value")
    assert (cursor["x"], cursor["y"]) == (139, 138)
    studio.page.keyboard.press("Space")
    assert studio.value(139, 138) == pytest.approx(0.8)


def test_every_control_has_a_role_and_a_name(studio: Studio) -> None:
    nameless = studio.page.evaluate(
        """() => [...document.querySelectorAll('button, input:not([hidden]), textarea, select, a, [role=slider]')]
          .filter(node => node.checkVisibility?.() ?? true)
          .filter(node => !(node.ariaLabel || node.innerText?.trim() || node.labels?.length || node.title))
          .map(node => node.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


def faults(studio: Studio) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    answer = Axe().run(studio.page)
    found = answer.response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:140]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("state", ["painting", "empty", "comparing", "methods", "settings", "map", "history", "keys"])
def test_axe_finds_nothing_serious(studio: Studio, theme: str, state: str) -> None:
    studio.js(f"(studio.view.theme.value = '{theme}')")
    if state == "empty":
        studio.js("(studio.doc.picture.value = null)")
        studio.wait(state="empty")
    elif state == "comparing":
        studio.stroke((100, 100), (150, 150)).words("a cube").number("Steps", "2").number("Candidates", "1").edit()
        studio.result()
    elif state != "painting":
        studio.js(f"(studio.view.dialog.value = '{state}')")
        studio.page.get_by_role("dialog").wait_for()
    assert faults(studio) == []
    studio.js("(studio.view.theme.value = 'dark', studio.view.dialog.value = null)")


def call(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    """One request with exactly these headers."""
    host, _, port = server.base.removeprefix("http://").strip("/").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.putrequest(method, path, skip_host=True)
    given = {"Host": f"{host}:{port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    for name, value in given.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_strangers_are_refused(server: Server) -> None:
    bearer = {"Authorization": f"Bearer {server.token}"}
    own = server.base.strip("/")
    assert call(server, "/api/draft", **bearer)[0] in (200, 404)
    assert call(server, "/api/state")[0] == 401
    assert call(server, "/", Authorization="Bearer wrong")[0] == 401
    assert call(server, "/api/state", Host="evil.example", **bearer)[0] == 403
    assert call(server, "/api/state", Origin="http://evil.example", **bearer)[0] == 403
    assert call(server, "/api/state", Sec_Fetch_Site="cross-site", **bearer)[0] == 403
    assert call(server, "/api/queue", "POST", Content_Length="0", Origin=own, **bearer)[0] == 403
    for path in ("/../secret", "/api/results/../x/file", "/%2e%2e/x", "/api/maps/..%2f..%2fx", "/static/..\\x"):
        assert call(server, path, **bearer)[0] == 404


def test_the_token_is_neither_in_the_address_nor_in_a_recipe(studio: Studio, server: Server) -> None:
    assert server.token not in studio.page.url
    cookies = studio.page.context.cookies()
    assert all(one["httpOnly"] and one["sameSite"] == "Strict" for one in cookies)
    studio.stroke((100, 100), (120, 120)).words("a cube").number("Steps", "2").number("Candidates", "1").edit()
    made = server.folder / studio.result()["file"]
    assert server.token.encode() not in made.read_bytes()
    for log in (server.folder / ".scumble" / "logs").iterdir():
        assert server.token not in log.read_text()


def test_another_page_can_neither_read_nor_post(studio: Studio, server: Server, browser: Any, tmp_path: Any) -> None:
    evil = tmp_path / "evil.html"
    evil.write_text("<title>evil</title>")
    page = studio.page.context.new_page()
    page.goto(evil.as_uri())
    asked = f"fetch('{server.base}api/state', {{credentials: 'include'}}).then(a => a.status, () => 'refused')"
    assert page.evaluate(asked) == "refused"
    posted = (
        f"fetch('{server.base}api/queue', {{method: 'POST', mode: 'no-cors', body: '{{}}'}}).then(() => 1, () => 0)"
    )
    page.evaluate(posted)
    assert studio.js("studio.server.queue.value.paused") is False
    page.close()
