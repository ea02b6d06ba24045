"""Start and end of a studio: folder, processes, one address with its token, Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import uvicorn

from scumble.errors import InputError
from scumble.studio.app import Studio, make_app
from scumble.studio.engine import Engine
from scumble.studio.events import Events
from scumble.studio.forms import Forms
from scumble.studio.guard import Guard, new_token
from scumble.studio.inversions import Inversions
from scumble.studio.jobs import Jobs
from scumble.studio.maps import Maps
from scumble.studio.picture_routes import keep_pixels
from scumble.studio.pictures import Observation, Pictures, inspect
from scumble.studio.rescan import begin_rescan
from scumble.studio.store import Store
from scumble.studio.texts import Texts

__all__ = ["open_studio", "serve"]


def open_studio(
    folder: Path,
    model: str | None,
    device: str | None,
    version: str,
    borrowed: Mapping[str, str],
    preview_vae: Path | None = None,
    computed: Mapping[str, str | None] = MappingProxyType({}),
    rescan: bool = False,
) -> Studio:
    """Take the folder and start the two processes; nothing waits for the model.

    Args:
        folder: Where results go.
        model: The model; None: the bundled one.
        device: Where it runs.
        version: Of Scumble.
        borrowed: What the studio takes from the command line, by name: ``flags`` and ``scenes``.
        preview_vae: A folder with a small decoder for previews.
        computed: ``runtime`` and ``dtype``, where they are not the usual ones.
        rescan: Build the index anew from the files, once the page is shown; a damaged one is put aside.

    Raises:
        InputError: If the folder cannot be written, or another process has it.
    """
    try:
        (folder / ".scumble").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made: {error.strerror or error}; choose one with --folder"
        ) from error
    hidden = folder / ".scumble"
    if rescan:
        _aside_if_damaged(folder)
    events = Events()
    jobs = Jobs(folder, events, lambda: Store(hidden / "ledger.sqlite"), model, device, version, preview_vae, computed)
    engine = Engine(hidden / "logs", {"scenes": borrowed["scenes"]})
    forms = Forms(borrowed["flags"])
    studio = Studio(
        folder, events, jobs.store, Pictures(hidden), Maps(hidden), Inversions(hidden), Texts(hidden), jobs, engine,
        forms, model, version,
    )  # fmt: skip
    jobs.on_model = lambda: events.publish("methods", studio.fitting()) if studio.methods else None
    studio.opening.after(jobs.begin)
    threading.Thread(target=_describe, args=(studio, rescan), name="scumble forms", daemon=True).start()
    return studio


def _describe(studio: Studio, rescan: bool) -> None:
    """Read the methods' definitions while the page is being opened."""
    studio.methods = studio.forms.methods()
    studio.events.publish("methods", studio.fitting())
    if rescan:
        studio.opening.after(lambda: begin_rescan(studio))


def _aside_if_damaged(folder: Path) -> None:
    from scumble.work.rebuild import is_damaged, put_aside

    if (folder / ".scumble" / "ledger.sqlite").exists() and is_damaged(folder):
        put_aside(folder / ".scumble")


def close_studio(studio: Studio) -> None:
    """End everything in order."""
    studio.events.close()
    studio.jobs.close()
    studio.engine.close()
    studio.store.close()


class _Server(uvicorn.Server):
    """Ends event streams at once when it is asked to stop, so that open tabs do not hold it up."""

    def __init__(self, config: uvicorn.Config, studio: Studio) -> None:
        super().__init__(config)
        self.studio = studio

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.studio.events.close()
        super().handle_exit(sig, frame)


def serve(
    picture: Path | None,
    folder: Path | None,
    *,
    model: str | None = None,
    device: str | None = None,
    preview_vae: Path | None = None,
    runtime: str | None = None,
    dtype: str | None = None,
    listen: str = "127.0.0.1:0",
    allow_host: Sequence[str] = (),
    browser: bool = True,
    rescan: bool = False,
    version: str = "",
    borrowed: Mapping[str, str],
) -> None:
    """Run a studio until Ctrl-C.

    Raises:
        InputError: For a picture, folder or address that cannot be used.
    """
    host, port = _address(listen)
    data = _read(picture)
    home = folder or (picture.parent if picture is not None else Path.cwd()) / "scumble"
    line = _listener(host, port)
    port = line.getsockname()[1]
    computed = {"runtime": runtime, "dtype": dtype}
    studio = open_studio(home.absolute(), model, device, version, borrowed, preview_vae, computed, rescan)
    try:
        if picture is not None and data is not None:
            _begin_with(studio, *data, picture)
        token = new_token()
        names = [*allow_host, *([host] if host not in ("0.0.0.0", "::") else [])]
        guard = Guard(make_app(studio), token, port, names)
        config = uvicorn.Config(
            guard, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="off"
        )
        # What is cut off by the end is no fault that anybody has to read of.
        logging.getLogger("uvicorn.error").addFilter(lambda record: not studio.events.closed)
        shown = "127.0.0.1" if host in ("0.0.0.0", "::", "127.0.0.1", "localhost") else host
        address = f"http://{shown}:{port}/?token={token}"
        studio.opening.begin()
        print(f"Scumble Studio: {address}", flush=True)
        if host not in ("127.0.0.1", "localhost", "::1"):
            print(
                "It listens to the network, and http can be read there: use it only where you trust everybody.",
                flush=True,
            )
        print(f"Results go to {studio.folder}. Ctrl-C ends it.", flush=True)
        if browser:
            threading.Thread(target=_open, args=(address,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how a studio ends
            _Server(config, studio).run([line])
    finally:
        close_studio(studio)


def _open(address: str) -> None:
    with contextlib.suppress(Exception):
        webbrowser.open(address)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise InputError(f"--listen is {listen!r}; give HOST:PORT, such as 127.0.0.1:7860")
    return host.strip("[]") or "127.0.0.1", int(port)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    line = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        line.bind((host, port))
        line.listen(128)  # from here on a browser waits instead of being refused
    except OSError as error:
        raise InputError(f"{host}:{port} cannot be listened to: {error.strerror or error}") from error
    line.set_inheritable(True)
    return line


def _read(picture: Path | None) -> tuple[bytes, Observation] | None:
    if picture is None:
        return None
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise InputError(f"the picture {picture} cannot be read: {error.strerror or error}") from error
    return data, inspect(data, picture.name)


def _begin_with(studio: Studio, data: bytes, inspected: Observation, picture: Path) -> None:
    """Make a picture the draft's, unless it is that already."""
    digest, view = studio.pictures.add(data, picture.name, inspected)
    studio.begun_with = (digest, picture.absolute(), picture.stat().st_mtime_ns)
    studio.store.keep_picture(digest, view.name, (view.width, view.height), view.alpha)
    before = studio.store.draft()
    if before is not None and (before.get("picture") or {}).get("id") == digest:
        return
    one = studio.store.picture(digest) or {}
    draft = {
        "tab": "",
        "picture": {**one, "recipe": None},
        "map": None,
        "points": [],
        "places": [],
        "method": (before or {}).get("method", "differential-diffusion"),
        "values": (before or {}).get("values", {}),
        "seed": (before or {}).get("seed", 42),
        "count": (before or {}).get("count", 4),
        "edit": None,
        "chain": [{"picture": digest, "result": None}],
    }
    studio.store.keep_draft(draft, 0, True)
    studio.opening.after(lambda: keep_pixels(studio, digest))
