"""Who may talk to the studio's server: checks on every request, before any route sees it.

Host ends DNS rebinding, Origin ends other pages, the token ends other users, our own header ends forms. It reads the
raw scope, because rebuilt addresses have been wrong before (CVE-2026-48710).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

__all__ = ["Guard", "new_token"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SAFE = ("GET", "HEAD", "OPTIONS")
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; object-src 'none'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
WALKS = ("..", "\\", "\x00", "//", "%2e", "%2f", "%5c", "%00")


def new_token() -> str:
    """A secret of 32 random bytes for one run of the server."""
    return secrets.token_urlsafe(32)


class Guard:
    """ASGI middleware that refuses whatever does not come from the studio's own page.

    Args:
        app: The routes.
        token: The run's secret.
        port: Port of the server, as it stands in Host.
        names: Host names that are allowed besides those of this machine's loopback.
    """

    def __init__(self, app: Any, token: str, port: int, names: Iterable[str] = ()) -> None:
        self.app, self.token, self.cookie = app, token, f"scumble-{port}"
        known = ["127.0.0.1", "localhost", "[::1]", *names]
        self.hosts = {f"{name.lower()}:{port}" for name in known}
        if port == 80:
            self.hosts |= {name.lower() for name in known}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the security headers added to the answer."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        answer = self._refusal(scope) or self._entry(scope)

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                names = [name for name, _ in message.get("headers", ())]
                more = [pair for pair in HEADERS if pair[0] not in names]
                if b"cache-control" not in names:
                    more.append((b"cache-control", b"no-store"))
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await (answer or self.app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "").lower()
        if host not in self.hosts:
            return _no(403, f"this studio does not answer to the name {host!r}: start it with --allow-host to allow it")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return _no(403, "another page may not talk to the studio")
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return _no(403, "another page may not talk to the studio")
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.decode("latin-1").lower().partition("?")[0]
        if any(walk in path or walk in scope["path"] for walk in WALKS):
            return _no(404, "there is nothing at this address")
        if not self._known(headers) and self._token_of(scope) is None:
            return _no(401, "open the studio by the address that the terminal shows: it holds this run's token")
        if scope["method"] not in SAFE and headers.get("x-scumble") != "1":
            return _no(403, "a change needs the header X-Scumble")
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """Exchange the token in the first address for a cookie, and take it out of the address bar."""
        if scope["path"] != "/" or scope["method"] != "GET" or self._token_of(scope) is None:
            return None
        answer = RedirectResponse(".", status_code=303)
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return answer

    def _token_of(self, scope: Scope) -> str | None:
        if scope["path"] != "/":
            return None
        given = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("token", "")
        return given if self._right(given) else None

    def _known(self, headers: dict[str, str]) -> bool:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._right(bearer.strip()):
            return True
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self.cookie and self._right(value):
                return True
        return False

    def _right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _no(status: int, text: str) -> Response:
    if status == 401:
        return PlainTextResponse(f"Scumble Studio: {text}.\n", status)
    return JSONResponse({"error": text[:1].upper() + text[1:] + "."}, status)
