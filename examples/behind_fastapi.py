"""An edit behind HTTP. Needs the extra studio; ``uvicorn examples.behind_fastapi:app`` (or any ASGI server).

curl --data-binary @photo.png -H 'Content-Type: image/png' 'localhost:8000/edit?prompt=a+red+cube' -o out.png
"""

from __future__ import annotations

import io
from functools import cache

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

import scumble

app = FastAPI()
LARGEST = 20_000_000  # bytes of a request


@cache
def editor() -> scumble.Editor:
    """Loaded at the first request; runs on it take turns, so threads are safe."""
    return scumble.Editor.from_pretrained()


def edited(picture: bytes, prompt: str, strength: float, seed: int, steps: int) -> bytes:
    """One edit, as the bytes of a PNG."""
    method = scumble.SDEdit(prompt=prompt, strength=strength, num_inference_steps=steps)
    out = io.BytesIO()
    editor().edit(picture, method, seed=seed).image.save(out, "PNG")
    return out.getvalue()


@app.post("/edit")
async def edit(request: Request, prompt: str, strength: float = 0.6, seed: int = 0, steps: int = 30) -> Response:
    """Edit the picture in the body. What is wrong with the request comes back as one line."""
    if int(request.headers.get("content-length", LARGEST + 1)) > LARGEST:
        raise HTTPException(413, f"say how long the picture is, at most {LARGEST} bytes")
    try:
        picture = await request.body()
        return Response(await run_in_threadpool(edited, picture, prompt, strength, seed, steps), media_type="image/png")
    except (scumble.InputError, scumble.MethodError, ValueError) as wrong:
        raise HTTPException(422, str(wrong)) from wrong
