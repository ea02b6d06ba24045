"""The routes of results: shown, proven, starred, accepted, brought back, made again; files are served by id alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response

from scumble.studio.change import heat_map
from scumble.studio.parts import body_json, gone
from scumble.studio.picture_routes import take_picture
from scumble.studio.pictures import inspect

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["add_results"]


def add_results(app: FastAPI, studio: Studio) -> None:
    """Add the routes."""

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
        added = await take_picture(studio, await asyncio.to_thread(path.read_bytes), path.name)
        studio.events.publish("result", studio.store.accepted(name, added["id"]))
        return {**added, "recipe": None}

    @app.get("/api/results/{name}/restore")
    async def restore(name: str) -> dict[str, Any]:
        path = studio.folder / _result(studio, name)["file"]
        return await take_picture(studio, await asyncio.to_thread(path.read_bytes), path.name)

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


def _result(studio: Studio, name: str) -> dict[str, Any]:
    one = studio.store.result(name)
    if one is None or not (studio.folder / one["file"]).is_file():
        gone("that result is not in this folder")
    return one


def _recipe_in(path: Path) -> dict[str, Any] | None:
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
