"""Parts that many routes share: bodies counted while they come, what is not here, the plan of an edit."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from fastapi import Request
from starlette.exceptions import HTTPException

from scumble.errors import InputError
from scumble.studio.edit import Edit, files_of
from scumble.studio.plan import plan_of

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["IMMUTABLE", "body_bytes", "body_json", "check_edit", "gone", "method_info", "picture_info", "plan_edit",
           "settled_map", "wait_for", "whole"]  # fmt: skip

IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
"""Headers of what is named by its hash."""
MOST_JSON = 2_000_000
MOST_WORDS = 4000


async def wait_for(future: Future[Any], seconds: float = 120.0) -> Any:
    """Wait for an answer without holding up the server's loop."""
    return await asyncio.wait_for(asyncio.wrap_future(future), seconds)


def gone(text: str) -> NoReturn:
    """Answer 404 with a sentence."""
    raise HTTPException(404, text)


async def body_bytes(request: Request, most: int, name: str) -> bytes:
    """The body, counted while it comes, so that nothing larger is ever held."""
    parts, total = [], 0
    async for part in request.stream():
        total += len(part)
        if total > most:
            raise HTTPException(413, f"{name} is larger than {most // 2**20} MiB")
        parts.append(part)
    return b"".join(parts)


async def body_json(request: Request) -> dict[str, Any]:
    """The body as an object."""
    data = await body_bytes(request, MOST_JSON, "the request")
    try:
        body = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "the request is no JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the request is no object")
    return body


def whole(body: dict[str, Any], name: str, usual: int = 0) -> int:
    """A whole number of a body.

    Raises:
        InputError: If it is something else.
    """
    value = body.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise InputError(f"{name} is {str(value)[:40]!r}; give a whole number")
    return value


def picture_info(studio: Studio, digest: str) -> dict[str, Any]:
    """What is known of a picture, or 404."""
    one = studio.store.picture(digest)
    if one is None or studio.pictures.path(digest) is None:
        gone("that picture is not in this folder")
    return {**one, "recipe": None}


def settled_map(studio: Studio, edit: Edit) -> str | None:
    """The map's id; a method that repaints a place gets a map of nothing where nothing is painted."""
    if edit.map is not None:
        return edit.map
    if not edit.empty_map or edit.picture is None:
        return None
    info = picture_info(studio, edit.picture)
    return studio.maps.add(np.zeros((info["height"], info["width"]), np.uint8))


async def plan_edit(studio: Studio, edit: Edit) -> dict[str, Any]:
    """Check an edit and say what it will cost."""
    checked, map_id = await check_edit(studio, edit)
    return await plan_of(studio, edit, checked, method_info(studio, edit), map_id)


def method_info(studio: Studio, edit: Edit) -> dict[str, Any] | None:
    """The description of an edit's method."""
    return next((one for one in studio.methods if one["name"] == edit.method), None)


async def check_edit(studio: Studio, edit: Edit) -> tuple[dict[str, Any], str | None]:
    """Check an edit's values, and settle its map."""
    path = studio.pictures.path(edit.picture or "")
    if path is None:
        gone("that picture is not in this folder")
    words = json.dumps([edit.parameters, [one.text for one in edit.places]], ensure_ascii=False)
    if len(words) > 20 * MOST_WORDS:
        raise HTTPException(413, f"words may have up to {MOST_WORDS} characters")
    map_id = await asyncio.to_thread(settled_map, studio, edit)
    map_path = studio.maps.path(map_id) if map_id else None
    if map_id and map_path is None:
        gone("that map is not in this folder")
    inversion = None if edit.inversion is None else studio.inversions.path(edit.inversion)
    if edit.inversion is not None and inversion is None:
        raise InputError("that inversion is not on the shelf any more: choose another, or make it anew")
    checked = await asyncio.to_thread(
        studio.forms.check,
        method=edit.method,
        parameters=edit.parameters,
        points=[list(pair) for pair in edit.points],
        places=[one.words() for one in edit.places],
        files={place: studio.near(path) for place, path in files_of(studio, edit).items()},
        inversion=None if inversion is None else studio.near(inversion),
        picture=studio.near(path),
        change_map=None if map_path is None else studio.near(map_path),
        seed=edit.seed,
        count=edit.count,
        output=f"{path.stem}-edited.png",
        model=studio.model,
        computed=studio.jobs.computed,
    )
    return checked, map_id
