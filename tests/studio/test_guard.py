"""Host x Origin x token x method x path: everything that is not the studio's own page is refused."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from scumble.studio.guard import Guard, new_token

TOKEN = new_token()
PORT = 7861
OWN = {"host": f"127.0.0.1:{PORT}"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


def ask(path: str = "/api/state", method: str = "GET", query: str = "", **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer to one request."""
    given = {name.replace("_", "-"): value for name, value in {**OWN, **headers}.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    messages: list[Any] = []

    async def run() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        await Guard(PlainTextResponse("inside"), TOKEN, PORT)(scope, receive, send)

    with ThreadPoolExecutor(1) as pool:  # a browser's test may have left a loop running in the main thread
        pool.submit(asyncio.run, run()).result()
    start = messages[0]
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
def test_our_own_names_are_answered(host: str) -> None:
    assert ask(host=host, **BEARER)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", "", f"127.0.0.1.evil:{PORT}"]
)
def test_other_names_are_refused_even_with_the_token(host: str) -> None:
    assert ask(host=host, **BEARER)[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"http://localhost:{PORT + 1}", "file://"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_other_origins_are_refused(origin: str, method: str) -> None:
    assert ask(method=method, origin=origin, x_scumble="1", **BEARER)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_are_refused(site: str) -> None:
    assert ask(sec_fetch_site=site, **BEARER)[0] == 403


@pytest.mark.parametrize(
    "given",
    ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"],
    ids=["none", "empty", "wrong", "basic", "longer"],
)
@pytest.mark.parametrize("path", ["/", "/api/state", "/studio.js"])
def test_without_the_token_nothing_is_told(given: str, path: str) -> None:
    assert ask(path, **({"authorization": given} if given else {}))[0] == 401


def test_the_token_in_the_address_serves_for_the_first_page_alone() -> None:
    status, headers = ask("/", query=f"token={TOKEN}")
    assert status == 303
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN in cookie
    assert TOKEN not in headers["location"]
    assert ask("/api/state", query=f"token={TOKEN}")[0] == 401
    assert ask("/", query="token=wrong")[0] == 401
    assert ask("/api/state", cookie=f"scumble-{PORT}={TOKEN}")[0] == 200
    assert ask("/api/state", cookie=f"scumble-{PORT + 1}={TOKEN}")[0] == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_changes_need_our_header(method: str) -> None:
    assert ask(method=method, **BEARER)[0] == 403
    assert ask(method=method, x_scumble="1", **BEARER)[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/../etc/passwd", "/api/maps/..", "/a\\b", "//evil", "/%2e%2e/x", "/api/results/..%2fx/file", "/x\x00y", "/%00"],
)
def test_walks_lead_nowhere(path: str) -> None:
    assert ask(path, **BEARER)[0] == 404


def test_every_answer_carries_the_policy() -> None:
    for status, headers in (ask(**BEARER), ask()):
        assert "default-src 'self'" in headers["content-security-policy"], status
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
