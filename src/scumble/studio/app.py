"""The routes: everything the page reads and asks for. Files are served by id and hash; no route takes a path."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import Future
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

from scumble.errors import InputError, ScumbleError
from scumble.studio.change import heat_map
from scumble.studio.edit import Edit, request_of
from scumble.studio.engine import Engine
from scumble.studio.events import Events
from scumble.studio.forms import Forms
from scumble.studio.inversions import Inversions
from scumble.studio.jobs import Jobs
from scumble.studio.maps import Maps, inflated, size_of
from scumble.studio.parts import body_bytes, body_json, gone, picture_info, plan_edit, settled_map, wait_for
from scumble.studio.pictures import MOST_BYTES, Pictures
from scumble.studio.plan import Counts
from scumble.studio.questions import add_questions
from scumble.studio.store import Store
from scumble.studio.texts import Texts

__all__ = ["Studio", "make_app"]

STATIC = Path(__file__).parent / "static"
MOST_QUEUED = 200
IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}


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
        name, instructs = self.jobs.model["name"], self.jobs.instructs
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

    @app.exception_handler(asyncio.TimeoutError)
    async def late(request: Request, error: Exception) -> Response:
        return _error(503, "the engine does not answer at the moment; try again")

    # ---- state and events

    @app.get("/api/state")
    async def state() -> dict[str, Any]:
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
        version, force = int(body.pop("version", 0)), bool(body.pop("force", False))
        draft = studio.store.keep_draft(body, version, force)
        if draft is None:
            now = studio.store.draft() or {"version": 0}
            return JSONResponse({"error": "changed in another tab", "version": now["version"]}, 409)
        studio.events.publish("draft", {"version": draft, "tab": request.headers.get("x-tab", "")})
        return {"version": draft}

    # ---- pictures

    @app.post("/api/pictures")
    async def add_picture(request: Request) -> dict[str, Any]:
        name = unquote(request.headers.get("x-name", "picture"))[:200]
        data = await body_bytes(request, MOST_BYTES, name)
        return await _picture_added(studio, data, name)

    @app.post("/api/pictures/still-life")
    async def still_life(request: Request) -> dict[str, Any]:
        body = await body_json(request)
        picture = await wait_for(studio.engine.ask("still_life", seed=int(body.get("seed", 0))))
        added = await _picture_added(studio, picture["png"], picture["name"])
        return {**added, "caption": picture["caption"]}

    @app.get("/api/pictures/{digest}")
    async def picture(digest: str) -> Response:
        path = studio.pictures.path(digest)
        return FileResponse(path, headers=IMMUTABLE) if path else gone("that picture is not in this folder")

    @app.get("/api/pictures/{digest}/about")
    async def about_picture(digest: str) -> dict[str, Any]:
        return picture_info(studio, digest)

    @app.get("/api/pictures/{digest}/display")
    async def display(digest: str, max: int | None = None) -> Response:
        side = None if max is None else min(4096, max) if max > 0 else 1
        shown = await asyncio.to_thread(studio.pictures.shown, digest, side)
        if shown is None:
            gone("that picture is not in this folder")
        return FileResponse(shown[0], media_type=shown[1], headers=IMMUTABLE)

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

    # ---- jobs

    @app.post("/api/jobs")
    async def add_jobs(edit: Edit, request: Request) -> Any:
        planned = await plan_edit(studio, edit)
        if not planned["ok"]:
            return JSONResponse({"error": "something does not fit yet", "plan": planned}, 422)
        queued = await _queued(studio, edit, planned)
        if not edit.live:
            studio.store.draft_makes(queued["edit"], request.headers.get("x-tab", ""))
        return queued

    @app.post("/api/jobs/cancel")
    async def cancel(request: Request) -> dict[str, Any]:
        body = await body_json(request)

        def stop() -> list[int]:
            if body.get("job") is not None:
                numbers = [int(body["job"])]
            elif body.get("queued"):
                numbers = [row.number for row in studio.jobs.rows("queued")]
            else:
                edit = body.get("edit")
                rows = studio.jobs.rows("queued", "running", "cancelling")
                numbers = [
                    row.number for row in rows if edit is None or (row.body.get("labels") or {}).get("edit") == edit
                ]
            studio.jobs.cancel(numbers, bool(body.get("now")))
            return numbers

        return {"cancelled": await wait_for(studio.jobs.call(stop))}

    @app.get("/api/jobs/{number}/preview")
    async def preview(number: int) -> Response:
        jpeg = studio.jobs.jpegs.get(number)
        return Response(jpeg, media_type="image/jpeg") if jpeg else gone("there is no preview now")

    @app.post("/api/jobs/{number}/again")
    async def again(number: int) -> dict[str, Any]:
        await wait_for(studio.jobs.call(lambda: studio.jobs.again(number)))
        return {}

    @app.post("/api/jobs/{number}/move")
    async def move(number: int, request: Request) -> dict[str, Any]:
        body = await body_json(request)
        await wait_for(studio.jobs.call(lambda: studio.jobs.move(number, bool(body.get("front", True)))))
        return {}

    @app.post("/api/queue")
    async def pause(request: Request) -> dict[str, Any]:
        body = await body_json(request)
        reason = "paused by you" if body.get("paused") else None
        await wait_for(studio.jobs.call(lambda: studio.jobs.pause(reason)))
        return {}

    # ---- results

    @app.get("/api/results")
    async def results() -> list[dict[str, Any]]:
        return studio.store.results(1000)

    @app.get("/api/results/{name}/file")
    async def result_file(name: str, download: int = 0) -> Response:
        one = _result(studio, name)
        path = studio.folder / one["file"]
        return FileResponse(path, filename=path.name if download else None)

    @app.get("/api/results/{name}/thumb")
    async def thumb(name: str) -> Response:
        one = _result(studio, name)
        copy, kind = await asyncio.to_thread(
            studio.pictures.copy_of, studio.folder / one["file"], f"result-{name}", 320
        )
        return FileResponse(copy, media_type=kind)

    @app.get("/api/results/{name}/recipe")
    async def recipe(name: str) -> Any:
        return _recipe_in(studio.folder / _result(studio, name)["file"]) or gone("that result carries no recipe")

    @app.get("/api/results/{name}/change.png")
    async def change(name: str, download: int = 0) -> Response:
        one = _result(studio, name)
        source = studio.pictures.path(one["picture"])
        if source is None:
            gone("the picture it was made from is not in this folder any more")
        map_path = studio.maps.path(one.get("map") or "")
        strengths = None if map_path is None else studio.maps.strengths(map_path)
        png = await asyncio.to_thread(heat_map, source, studio.folder / one["file"], strengths)
        headers = (
            {"Content-Disposition": f'attachment; filename="{Path(one["file"]).stem}-change.png"'} if download else None
        )
        return Response(png, media_type="image/png", headers=headers)

    @app.post("/api/results/{name}/keep")
    async def keep(name: str) -> dict[str, Any]:
        path = studio.folder / _result(studio, name)["file"]
        added = await _picture_added(studio, await asyncio.to_thread(path.read_bytes), path.name)
        studio.events.publish("result", studio.store.accepted(name, added["id"]))
        return {**added, "recipe": None}

    @app.get("/api/results/{name}/restore")
    async def restore(name: str) -> dict[str, Any]:
        path = studio.folder / _result(studio, name)["file"]
        return await _picture_added(studio, await asyncio.to_thread(path.read_bytes), path.name)

    @app.post("/api/results/{name}/redo")
    async def redo(name: str) -> dict[str, Any]:
        one = _result(studio, name)
        source, change_map = studio.pictures.path(one["picture"]), studio.maps.path(one.get("map") or "")
        files = [*studio.pictures.all(), *studio.maps.all()]
        inputs = [studio.inversions.folder, studio.texts.folder, *(path.parent for path in files)]
        future = studio.jobs.ask(
            "redo",
            path=str(studio.folder / one["file"]),
            picture=None if source is None else str(source),
            change_map=None if change_map is None else str(change_map),
            model=one.get("model"),
            inputs=[str(folder) for folder in inputs if folder.is_dir()],
        )
        future.add_done_callback(lambda done: studio.events.publish("news", _redone(done, one["file"])))
        return {}

    @app.patch("/api/results/{name}")
    async def star(name: str, request: Request) -> dict[str, Any]:
        body = await body_json(request)
        _result(studio, name)
        studio.store.star(name, bool(body.get("star")))
        one = _result(studio, name)
        studio.events.publish("result", one)
        return one

    @app.delete("/api/results/{name}")
    async def trash(name: str) -> dict[str, Any]:
        one = _result(studio, name)
        path = studio.folder / one["file"]
        bin_ = studio.hidden / "trash"
        bin_.mkdir(exist_ok=True)
        if path.is_file():
            path.replace(bin_ / path.name)
        studio.store.trash(name)
        studio.events.publish("removed", name)
        return {}

    add_questions(app, studio)
    app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    return app


# ---- parts of routes


def _error(status: int, text: str) -> JSONResponse:
    first = text.partition(" ")[0]
    is_name = any(one in first for one in "._/") or any(one.isdigit() for one in first)
    return JSONResponse({"error": text if is_name else text[:1].upper() + text[1:]}, status)


async def _picture_added(studio: Studio, data: bytes, name: str) -> dict[str, Any]:
    digest, view = await asyncio.to_thread(studio.pictures.add, data, name)
    studio.store.keep_picture(digest, view.name, (view.width, view.height), view.alpha)
    path = studio.pictures.path(digest)
    if (studio.store.picture(digest) or {}).get("pixels") is None:
        future = studio.engine.ask("pixels", path=str(path))
        future.add_done_callback(lambda done: _keep_pixels(studio, digest, done))
    info = picture_info(studio, digest)
    recipe = None if view.recipe is None else await asyncio.to_thread(_brought_back, studio, view.recipe)
    return {**info, "recipe": recipe}


def _keep_pixels(studio: Studio, digest: str, done: Future[Any]) -> None:
    if not done.cancelled() and done.exception() is None:
        studio.store.keep_pixels(digest, done.result())


def _brought_back(studio: Studio, recipe: dict[str, Any]) -> dict[str, Any]:
    """What of a recipe the page can take over; what is not here is named with its hash. A recipe is data, no more."""
    missing: list[str] = []
    known = {one["name"]: one for one in studio.methods}
    method = str(recipe.get("method"))
    parameters = {**dict(recipe.get("parameters") or {}), **dict(recipe.get("view") or {})}
    points = [one for one in parameters.pop("points", None) or [] if isinstance(one, list) and len(one) == 4]
    places = _places(studio, recipe, parameters.pop("placed_words", None) or [], missing)
    source = recipe.get("input") or {}
    picture = studio.store.picture_by_pixels(str(source.get("sha256", "")))
    if source and picture is None:
        missing.append(
            f"the picture {source.get('name') or 'without a name'} (pixels {str(source.get('sha256'))[:12]}…)"
        )
    wanted = recipe.get("change_map") or {}
    change_map = str(wanted.get("sha256", "")) if studio.maps.path(str(wanted.get("sha256", ""))) else None
    if wanted and change_map is None:
        missing.append(
            f"the map {wanted.get('name') or 'without a name'} (strengths {str(wanted.get('sha256'))[:12]}…)"
        )
    if method not in known:
        missing.append(f"the method {method}")
        method = "differential-diffusion"
    fields = {one["name"]: one for one in known.get(method, {}).get("fields", ())}
    sent = {name for name, one in fields.items() if one["kind"] == "file"}
    files = _sent(studio, recipe, sent, missing)
    inversion = _from_shelf(studio, recipe, missing)
    parameters = {name: value for name, value in parameters.items() if name not in sent}
    changed = {name: value for name, value in parameters.items() if name in fields and value != fields[name]["default"]}
    info = None if picture is None else {**picture, "recipe": None}
    return {
        "method": method,
        "parameters": changed,
        "seed": int(recipe.get("seed") or 0),
        "index": int(recipe.get("index") or 0),
        "count": int(recipe.get("count") or 1),
        "picture": info,
        "map": change_map,
        "points": points,
        "places": places,
        "files": files,
        "inversion": inversion,
        "missing": missing,
    }


async def _queued(studio: Studio, edit: Edit, planned: dict[str, Any]) -> dict[str, Any]:
    """File an edit: one request a candidate, or one for all where they are looked at together."""
    info = next(one for one in studio.methods if one["name"] == edit.method)
    picture = studio.pictures.there(str(edit.picture))
    map_id = settled_map(studio, edit)
    name = secrets.token_hex(6)
    stem = re.sub(r"(-\d{3}(-\d+)?)+$", "", picture.stem) or "result"

    def file() -> list[dict[str, Any]]:
        if len(studio.jobs.rows("queued")) + edit.count > MOST_QUEUED:
            raise InputError(f"{MOST_QUEUED} requests wait already: let some be made first")
        number = studio.jobs.output(stem)
        single = edit.count == 1 or info["together"]
        requests = []
        for k in range(1 if single else edit.count):
            output = f"{stem}-{number:03}.png" if edit.count == 1 or single else f"{stem}-{number:03}-{k + 1}.png"
            labels = {
                "edit": name,
                "k": str(k),
                "count": str(edit.count),
                "picture": str(edit.picture),
                "map": map_id or "",
                "live": "1" if edit.live else "",
                "command": _command_of(planned["command"], edit, k, single, studio.near(studio.folder / output)),
            }
            request = request_of(
                studio,
                edit,
                planned,
                map_id,
                id=f"{name}/{k}",
                seed=edit.seed + (0 if single else k),
                count=edit.count if single else 1,
                priority=-1 if edit.live else 0,
                output=output,
                labels=labels,
            )
            requests.append((request, output))
        return studio.jobs.add(requests, edit.front)

    jobs = await wait_for(studio.jobs.call(file))
    return {"edit": name, "jobs": jobs}


def _places(studio: Studio, recipe: dict[str, Any], words: list[Any], missing: list[str]) -> list[dict[str, Any]]:
    """The words of a recipe that have a place, each with its map where that is here."""
    files = recipe.get("files") or {}
    places = []
    for k, one in enumerate(words):
        if not isinstance(one, dict):
            continue
        digest = str((files.get(f"placed_words.{k}.map") or {}).get("sha256", ""))
        there = studio.maps.by_file(digest) if digest else None
        if one.get("map") is not None and there is None:
            missing.append(f"the map of {str(one.get('text'))!r} (file {digest[:12]}…)")
        places.append({"text": str(one.get("text") or ""), "map": there})
    return places


def _sent(studio: Studio, recipe: dict[str, Any], names: set[str], missing: list[str]) -> dict[str, dict[str, str]]:
    """The files of a recipe's fields that are here."""
    files = {}
    for name, one in (recipe.get("files") or {}).items():
        if name in names and isinstance(one, dict):
            digest, called = str(one.get("sha256", "")), str(one.get("name") or name)
            if studio.pictures.path(digest) or studio.texts.path(digest):
                files[name] = {"id": digest, "name": called}
            else:
                missing.append(f"the file {called} of {name} ({digest[:12]}…)")
    return files


def _from_shelf(studio: Studio, recipe: dict[str, Any], missing: list[str]) -> str | None:
    """The inversion that a recipe started from, where it is on the shelf."""
    wanted = recipe.get("inversion") or {}
    digest = str(wanted.get("sha256", ""))
    there = next((one["id"] for one in studio.store.inversions() if digest and one.get("sha256") == digest), None)
    if wanted and there is None:
        missing.append(f"the inversion {wanted.get('name') or 'without a name'} ({digest[:12]}…)")
    return there


def _command_of(command: str, edit: Edit, k: int, single: bool, output: str) -> str:
    """The command line of one candidate: its own seed, and its own file."""
    import shlex

    words = shlex.split(command)
    words[words.index("--seed") + 1] = str(edit.seed + (0 if single else k))
    if not single and "--count" in words:
        at = words.index("--count")
        del words[at : at + 2]
    words[-1] = output
    return shlex.join(words)


def _result(studio: Studio, name: str) -> dict[str, Any]:
    one = studio.store.result(name)
    if one is None or not (studio.folder / one["file"]).is_file():
        gone("that result is not in this folder")
    return one


def _recipe_in(path: Path) -> dict[str, Any] | None:
    from scumble.studio.pictures import inspect

    return inspect(path.read_bytes(), path.name).recipe


def _redone(done: Future[Any], name: str) -> dict[str, Any]:
    if done.cancelled() or done.exception() is not None:
        return {"text": f"{name} could not be made again: {done.exception()}", "kind": "fault"}
    again = done.result()
    more = "".join(f"; {one}" for one in again["warnings"])
    if again["largest"] == 0:
        return {"text": f"{name} was made again: every pixel is the same{more}", "kind": "news"}
    share = f"{100 * again['share']:.2f} % of the pixels differ"
    text = f"{name} was made again: {share}, by at most {again['largest']} of 255{more}"
    return {"text": text, "kind": "fault"}
