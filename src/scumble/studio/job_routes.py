"""The routes of the queue: edits filed, stopped, made again, moved, paused."""

from __future__ import annotations

import re
import secrets
import shlex
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from scumble.errors import InputError
from scumble.studio.edit import Edit, request_of
from scumble.studio.parts import body_json, gone, plan_edit, settled_map, wait_for, whole

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["add_jobs", "command_of"]

MOST_QUEUED = 200


def add_jobs(app: FastAPI, studio: Studio) -> None:
    """Add the routes."""

    @app.post("/api/jobs")
    async def file_edit(edit: Edit, request: Request) -> Any:
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
                numbers = [whole(body, "job")]
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
                "command": command_of(planned["command"], edit, k, single, studio.near(studio.folder / output)),
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


def command_of(command: str, edit: Edit, k: int, single: bool, output: str) -> str:
    """The command line of one candidate: its own seed, and its own file."""
    words = shlex.split(command)
    words[words.index("--seed") + 1] = str(edit.seed + (0 if single else k))
    if not single and "--count" in words:
        at = words.index("--count")
        del words[at : at + 2]
    words[-1] = output
    return shlex.join(words)
