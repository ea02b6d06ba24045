"""The routes of pictures: taken in whole, named by hash, shown as they are or small."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response

from scumble.errors import InputError
from scumble.studio.brought_back import brought_back
from scumble.studio.parts import IMMUTABLE, body_bytes, body_json, gone, picture_info, wait_for, whole
from scumble.studio.pictures import MOST_BYTES

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["add_pictures", "keep_pixels", "take_picture"]


def add_pictures(app: FastAPI, studio: Studio) -> None:
    """Add the routes."""

    @app.post("/api/pictures")
    async def add_picture(request: Request) -> dict[str, Any]:
        name = unquote(request.headers.get("x-name", "picture"))[:200]
        data = await body_bytes(request, MOST_BYTES, name)
        return await take_picture(studio, data, name)

    @app.post("/api/pictures/still-life")
    async def still_life(request: Request) -> dict[str, Any]:
        body = await body_json(request)
        picture = await wait_for(studio.engine.ask("still_life", seed=whole(body, "seed")))
        added = await take_picture(studio, picture["png"], picture["name"])
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


async def take_picture(studio: Studio, data: bytes, name: str) -> dict[str, Any]:
    """Keep a picture and say what it is, with what its recipe brings back."""
    digest, view = await asyncio.to_thread(studio.pictures.add, data, name)
    studio.store.keep_picture(digest, view.name, (view.width, view.height), view.alpha)
    if (studio.store.picture(digest) or {}).get("pixels") is None:
        keep_pixels(studio, digest)
    info = picture_info(studio, digest)
    if view.recipe is None:
        return {**info, "recipe": None}
    known = await _map_of(studio, digest, view.recipe)
    return {**info, "recipe": await asyncio.to_thread(brought_back, studio, view.recipe, known)}


async def _map_of(studio: Studio, digest: str, recipe: dict[str, Any]) -> str | None:
    """Id of the map of a recipe whose method took another one than was painted (one of two values, inverted)."""
    wanted = recipe.get("change_map")
    if not isinstance(wanted, dict) or studio.maps.path(str(wanted.get("sha256", ""))) is not None:
        return None
    folders = [str(path.parent) for path in studio.maps.all()]
    try:
        near = await wait_for(studio.engine.ask("map_of", path=str(studio.pictures.path(digest)), folders=folders))
    except (InputError, RuntimeError):
        return None
    return None if near is None else Path(near).parent.name


def keep_pixels(studio: Studio, digest: str) -> None:
    """Find out the hash of a picture's pixels, by which recipes name it."""

    def keep(done: Future[Any]) -> None:
        if not done.cancelled() and done.exception() is None:
            studio.store.keep_pixels(digest, done.result())

    studio.engine.ask("pixels", path=str(studio.pictures.path(digest))).add_done_callback(keep)
