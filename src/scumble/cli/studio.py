"""``scumble studio``: a page on this machine to paint how much may change, say what, and see it happen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scumble.errors import InputError

__all__ = ["BORROWED", "studio"]

BORROWED = {"flags": "scumble.cli.flags", "scenes": "scumble.cli.world_commands:render_pictures"}
"""What the studio takes from the command line, by name: the studio itself imports nothing of it."""


def studio(
    picture: Path | None = None,
    *,
    folder: Path | None = None,
    model: str | None = None,
    device: str | None = None,
    preview_vae: Path | None = None,
    runtime: str | None = None,
    dtype: str | None = None,
    listen: str = "127.0.0.1:0",
    allow_host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    browser: bool = True,
    rescan: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Open the studio in the browser. It runs on this machine alone, works offline, and ends with Ctrl-C.

    Args:
        picture: The picture to begin with.
        folder: Where results, maps and the queue lie; "scumble" beside the picture by default.
        model: Bundled name, diffusers folder, .safetensors file or hub id; the bundled model by default.
        device: cpu, cuda or mps.
        preview_vae: A folder with a small decoder (TAESD) for the pictures shown while an edit runs.
        runtime: torch, openvino (on a processor, strokes answer sooner), compile (GPUs), or auto, settled once.
        dtype: float32, float16, bfloat16, or auto.
        listen: HOST:PORT; port 0 takes a free one.
        allow_host: A further name under which the studio may be called.
        browser: Open the browser.
        rescan: Build the list of results anew from the files in the folder: after its database was lost or damaged.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise InputError("the studio needs its extra: pip install 'scumble[studio]'") from error
    from scumble import __version__
    from scumble.studio.serve import serve

    if preview_vae is not None and not preview_vae.is_dir():
        raise InputError(f"--preview-vae {preview_vae.name!r} is no folder here")
    serve(
        picture,
        folder,
        model=model,
        device=device,
        preview_vae=preview_vae,
        runtime=runtime,
        dtype=dtype,
        listen=listen,
        allow_host=allow_host,
        browser=browser,
        rescan=rescan,
        version=__version__,
        borrowed=BORROWED,
    )
