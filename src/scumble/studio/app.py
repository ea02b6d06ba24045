"""The routes: everything the page reads and asks for. Files are served by id and hash; no route takes a path."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from scumble.errors import ScumbleError
from scumble.studio.edit import Edit
from scumble.studio.engine import Engine
from scumble.studio.events import Events
from scumble.studio.forms import Forms
from scumble.studio.inversions import Inversions
from scumble.studio.job_routes import add_jobs
from scumble.studio.jobs import Jobs
from scumble.studio.maps import Maps, inflated, size_of
from scumble.studio.opening import Opening
from scumble.studio.parts import IMMUTABLE, body_bytes, body_json, gone, picture_info, plan_edit, wait_for, whole
from scumble.studio.picture_routes import add_pictures
from scumble.studio.pictures import MOST_BYTES, Pictures
from scumble.studio.plan import Counts
from scumble.studio.questions import add_questions
from scumble.studio.result_routes import add_results
from scumble.studio.store import Store
from scumble.studio.texts import Texts

__all__ = ["Studio", "make_app"]

STATIC = Path(__file__).parent / "static"


@dataclass
class Studio:
    """Everything a running studio has.

    Attributes:
        folder: Where results go.
        hidden: ``.scumble`` inside it.
        model: The model that was asked for.
    """

    folder: Path
    events: Events
    store: Store
    pictures: Pictures
    maps: Maps
    inversions: Inversions
    texts: Texts
    jobs: Jobs
    engine: Engine
    forms: Forms
    model: str | None = None
    version: str = ""
    methods: list[dict[str, Any]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    opening: Opening = field(default_factory=Opening)
    begun_with: tuple[str, Path, int] | None = None
    """Hash, file and time of change of the picture that the studio was started with."""

    @property
    def hidden(self) -> Path:
        """Where the studio keeps pictures, maps and copies."""
        return self.folder / ".scumble"

    def fitting(self) -> list[dict[str, Any]]:
        """The methods, with the model's own defaults, and with the reason where the model cannot do one."""
        defaults = self.jobs.defaults
        return [
            {
                **one,
                "unfit": self.unfit(one),
                "fields": [
                    {**field, "default": defaults.get(field["name"], field["default"])} for field in one["fields"]
                ],
            }
            for one in self.methods
        ]

    def unfit(self, method: dict[str, Any]) -> str | None:
        """Why the model cannot do a method; None: it can."""
        name, instructs = self.jobs.model["name"] or self.jobs.model["chosen"], self.jobs.instructs
        if method["needs_text"] and not self.jobs.takes_text:
            return f"needs a model that understands words; {name} does not"
        if method["instructs"] and not instructs:
            return f"needs a model that follows instructions, such as still-life-instruct; {name} does not"
        if instructs and not method["instructs"]:
            return f"{name} only follows instructions: choose another model for this"
        return None

    def near(self, path: Path) -> str:
        """A path as it is typed in the folder where the studio was started.

        A picture that the studio was started with is called as it was then, while it is still the same file.
        """
        if self.begun_with is not None:
            digest, original, changed = self.begun_with
            same = path.parent.name == digest and original.is_file() and original.stat().st_mtime_ns == changed
            path = original if same else path
        absolute = path.absolute()
        try:
            return absolute.relative_to(Path.cwd()).as_posix()
        except ValueError:
            return str(absolute)


def make_app(studio: Studio) -> FastAPI:
    """Build the server's routes."""
    app = FastAPI(title="Scumble Studio", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(ScumbleError)
    async def refused(request: Request, error: ScumbleError) -> Response:
        return _error(400, str(error))

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return _error(400, f"{'.'.join(str(part) for part in first['loc'][1:])}: {first['msg']}")

    @app.exception_handler(OSError)
    @app.exception_handler(sqlite3.Error)
    async def unwritten(request: Request, error: Exception) -> Response:
        reason = getattr(error, "strerror", None) or str(error)
        return _error(507, f"the folder cannot be written ({reason}): make room or check its rights, then try again")

    @app.exception_handler(asyncio.TimeoutError)
    async def late(request: Request, error: Exception) -> Response:
        return _error(503, "the engine does not answer at the moment; try again")

    # ---- state and events

    @app.get("/api/state")
    async def state() -> dict[str, Any]:
        studio.opening.asked()
        sequence = studio.events.sequence
        live = await asyncio.to_thread(studio.jobs.snapshot)
        return {
            "sequence": sequence,
            "version": studio.version,
            "folder": str(studio.folder),
            "draft": studio.store.draft(),
            "results": studio.store.results(),
            "inversions": studio.store.inversions(),
            "methods": studio.fitting(),
            "stillLife": studio.model is None,
            **live,
        }

    @app.get("/api/events")
    async def events(request: Request, since: int = 0) -> Response:
        last = request.headers.get("last-event-id", "")
        start = int(last) if last.isdigit() else since

        async def stream() -> AsyncIterator[str]:
            async for text in studio.events.follow(start):
                yield text

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    # ---- draft

    @app.get("/api/draft")
    async def draft() -> Any:
        return studio.store.draft() or gone("there is no draft yet")

    @app.put("/api/draft")
    async def keep_draft(request: Request) -> Any:
        body = await body_json(request)
        version, force = whole(body, "version"), bool(body.pop("force", False))
        body.pop("version", None)
        draft = studio.store.keep_draft(body, version, force)
        if draft is None:
            now = studio.store.draft() or {"version": 0}
            return JSONResponse({"error": "changed in another tab", "version": now["version"]}, 409)
        studio.events.publish("draft", {"version": draft, "tab": request.headers.get("x-tab", "")})
        return {"version": draft}

    # ---- maps

    @app.post("/api/maps")
    async def add_map(request: Request) -> dict[str, Any]:
        size = size_of(request.headers.get("x-size", ""))
        data = await body_bytes(request, MOST_BYTES, "the map")
        strengths = await asyncio.to_thread(inflated, data, size)
        return {"id": await asyncio.to_thread(studio.maps.add, strengths)}

    @app.post("/api/maps/import")
    async def import_map(request: Request, picture: str, polarity: str = "white-changes") -> dict[str, Any]:
        name = unquote(request.headers.get("x-name", "map"))[:200]
        data = await body_bytes(request, MOST_BYTES, name)
        info = picture_info(studio, picture)
        size = (info["width"], info["height"])
        digest, _ = await asyncio.to_thread(studio.pictures.add, data, name)
        path = studio.pictures.path(digest)
        read = await wait_for(studio.engine.ask("import", path=str(path), size=size, polarity=polarity))
        strengths = np.frombuffer(read["strengths"], np.uint8).reshape(size[1], size[0])
        positive = strengths > 0
        return {
            "id": await asyncio.to_thread(studio.maps.add, strengths),
            "share": float(positive.mean()),
            "mean": float(strengths[positive].mean() / 255) if positive.any() else 0.0,
            "notices": read["notices"],
        }

    @app.get("/api/maps/{name}")
    async def get_map(name: str, max: int | None = None, download: int = 0) -> Response:
        digest, dot, kind = name.partition(".")
        path = studio.maps.path(digest)
        if path is None or (dot and kind != "png"):
            gone("that map is not in this folder")
        if not dot:
            strengths = await asyncio.to_thread(studio.maps.strengths, path)
            return Response(strengths.tobytes(), media_type="application/octet-stream", headers=IMMUTABLE)
        if max is not None:
            copy, kind = await asyncio.to_thread(studio.pictures.copy_of, path, f"map-{digest}", min(4096, max))
            return FileResponse(copy, media_type=kind, headers=IMMUTABLE)
        return FileResponse(path, media_type="image/png", filename="map.png" if download else None)

    # ---- methods, plan, warp

    @app.get("/api/methods")
    async def methods() -> list[dict[str, Any]]:
        return studio.fitting()

    @app.post("/api/plan")
    async def plan(edit: Edit) -> dict[str, Any]:
        return await plan_edit(studio, edit)

    @app.post("/api/command")
    async def command(request: Request) -> Any:
        body = await body_json(request)
        return await asyncio.to_thread(studio.forms.read, str(body.get("text", ""))[:20_000])

    @app.post("/api/warp")
    async def warp(edit: Edit) -> Response:
        path = studio.pictures.path(edit.picture or "")
        if path is None:
            gone("that picture is not in this folder")
        map_path = studio.maps.path(edit.map) if edit.map else None
        pulled = await wait_for(
            studio.engine.ask(
                "warp", path=str(path), change_map=None if map_path is None else str(map_path), points=edit.points
            )
        )
        return Response(pulled["jpeg"], media_type="image/jpeg", headers={"X-Moved": f"{pulled['moved']:.4f}"})

    add_pictures(app, studio)
    add_jobs(app, studio)
    add_results(app, studio)
    add_questions(app, studio)
    app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    return app


# ---- parts of routes


def _error(status: int, text: str) -> JSONResponse:
    first = text.partition(" ")[0]
    is_name = any(one in first for one in "._/") or any(one.isdigit() for one in first)
    return JSONResponse({"error": text if is_name else text[:1].upper() + text[1:]}, status)
