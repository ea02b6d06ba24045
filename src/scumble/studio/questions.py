"""What the page asks the model beside edits: where a word is, how it would look, the shelf, another model."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from scumble.errors import InputError
from scumble.studio.differences import differences
from scumble.studio.edit import Edit, payload_of, request_of
from scumble.studio.jobs import PACKED
from scumble.studio.live import Overtaken
from scumble.studio.parts import (
    body_bytes,
    body_json,
    check_edit,
    gone,
    method_info,
    picture_info,
    plan_edit,
    settled_map,
    wait_for,
)
from scumble.studio.plan import judged, steps_of
from scumble.studio.texts import MOST_TEXT

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["add_questions"]

FAN = 8
"""Strengths of a fan."""
FAN_SIDE, LIVE_SIDE = 320, 1280
QUICK_STEPS = 12
"""Largest number of steps of what is not kept."""


class Find(BaseModel):
    """A thing to look for in a picture."""

    picture: str
    word: str = Field(max_length=200)
    caption: str = Field(max_length=4000)


def add_questions(app: FastAPI, studio: Studio) -> None:
    """Add the routes."""

    @app.post("/api/maps/words")
    async def find(asked: Find) -> dict[str, Any]:
        path = studio.pictures.path(asked.picture)
        if path is None:
            gone("that picture is not in this folder")
        if not asked.word.strip():
            raise InputError("type what is to be looked for, such as the cube")
        read = await _answer(
            studio.jobs.ask("find", model=studio.model, path=str(path), word=asked.word, caption=asked.caption)
        )
        info = picture_info(studio, asked.picture)
        strengths = np.frombuffer(read["strengths"], np.uint8).reshape(info["height"], info["width"])
        return {"id": await asyncio.to_thread(studio.maps.add, strengths), "share": read["share"]}

    @app.post("/api/texts")
    async def add_text(request: Request) -> dict[str, Any]:
        name = unquote(request.headers.get("x-name", "text"))[:200]
        data = await body_bytes(request, MOST_TEXT, name)
        return {"id": await asyncio.to_thread(studio.texts.add, data, name), "name": name}

    # ---- what is not kept

    @app.post("/api/live")
    async def live(edit: Edit) -> Response:
        if studio.jobs.busy():
            raise HTTPException(409, "an edit is being made")
        payload = await _quick(studio, edit)
        try:
            jpeg = await _answer(studio.jobs.follow({**payload, "live": True, "side": LIVE_SIDE}))
        except Overtaken as error:
            raise HTTPException(409, str(error)) from error
        return Response(jpeg, media_type="image/jpeg")

    @app.post("/api/fan")
    async def fan(edit: Edit) -> list[dict[str, Any]]:
        strengths = [(k + 1) / FAN for k in range(FAN)]
        asked = await _quick(studio, edit)
        shown = await _answer(studio.jobs.ask("fan", **asked, strengths=strengths, side=FAN_SIDE))
        data = [f"data:image/jpeg;base64,{base64.b64encode(one).decode()}" for one in shown]
        return [{"strength": value, "picture": one} for value, one in zip(strengths, data, strict=True)]

    # ---- shelf

    @app.post("/api/inversions")
    async def invert(edit: Edit) -> dict[str, Any]:
        planned = await plan_edit(studio, edit.model_copy(update={"inversion": None}))
        if planned["parameters"] is None:
            raise HTTPException(422, "something does not fit yet")
        map_id = settled_map(studio, edit)
        request = request_of(studio, edit.model_copy(update={"inversion": None}), planned, map_id)
        name, path = studio.inversions.new()
        about = await _answer(studio.jobs.ask("invert", **payload_of(studio, request), output=str(path)))
        called = (
            f"{Path(picture_info(studio, str(edit.picture))['name']).stem}, {about['kind']}, {about['steps']} steps"
        )
        body = {**about, "picture": edit.picture, "map": map_id, "method": edit.method, "bytes": path.stat().st_size}
        studio.store.keep_inversion(name, called, body)
        _tell_shelf(studio)
        return {"id": name}

    @app.patch("/api/inversions/{name}")
    async def rename(name: str, request: Request) -> dict[str, Any]:
        called = str((await body_json(request)).get("name") or "").strip()[:200]
        one = next((one for one in studio.store.inversions() if one["id"] == name), None)
        if one is None:
            gone("that inversion is not on the shelf")
        if not called:
            raise InputError("an inversion needs a name")
        body = {key: value for key, value in one.items() if key not in ("id", "name", "created")}
        studio.store.keep_inversion(name, called, body)
        _tell_shelf(studio)
        return {}

    @app.delete("/api/inversions/{name}")
    async def drop(name: str) -> dict[str, Any]:
        path = studio.inversions.path(name)
        if path is None:
            gone("that inversion is not on the shelf")
        path.unlink()
        studio.store.drop_inversion(name)
        _tell_shelf(studio)
        return {}

    # ---- model and results

    @app.post("/api/model")
    async def model(request: Request) -> dict[str, Any]:
        body = await body_json(request)
        if "name" in body:
            name = str(body["name"])
            if name not in studio.jobs.model["choices"]:
                raise InputError(f"this studio has no model {name!r}; it was started with those that it lists")
            studio.model = None if name == PACKED[0] else name
        await wait_for(studio.jobs.call(lambda: studio.jobs.load(studio.model)))
        return {}

    @app.get("/api/results/{name}/against/{other}")
    async def against(name: str, other: str) -> dict[str, Any]:
        files = []
        for one in (name, other):
            result = studio.store.result(one)
            if result is None or not (studio.folder / result["file"]).is_file():
                gone("that result is not in this folder")
            files.append(studio.folder / result["file"])
        return await asyncio.to_thread(differences, *files)


async def _answer(future: Future[Any]) -> Any:
    """Wait for the model's answer; what it refuses comes with its own sentence."""
    try:
        return await wait_for(future)
    except Overtaken:
        raise
    except RuntimeError as error:
        raise HTTPException(400, str(error)) from error


async def _quick(studio: Studio, edit: Edit) -> dict[str, Any]:
    """An edit that is not kept, in few steps; its cost is not counted first."""
    checked, map_id = await check_edit(studio, edit)
    faults, refusal = judged(studio, edit, checked, method_info(studio, edit))
    if faults or refusal is not None:
        raise HTTPException(422, "something does not fit yet")
    parameters = dict(checked["parameters"])
    if steps_of(studio, checked) > QUICK_STEPS:
        parameters["num_inference_steps"] = QUICK_STEPS
    return payload_of(studio, request_of(studio, edit, {**checked, "parameters": parameters}, map_id, count=1))


def _tell_shelf(studio: Studio) -> None:
    studio.events.publish("inversions", studio.store.inversions())
