"""The index anew from the files: pictures, results with their recipes and parents, inversions. Files are the truth."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scumble.errors import InputError
from scumble.studio.rescan_row import row_of

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["begin_rescan", "rescan"]

PATIENCE = 120.0
"""Seconds to wait for what one file says of itself."""


def begin_rescan(studio: Studio) -> None:
    """Rescan while the page can be used already."""

    def work() -> None:
        try:
            found, gone = rescan(studio)
        except Exception as error:  # whatever it is, the page says it
            studio.events.publish("news", {"text": f"The folder could not be read anew: {error}", "kind": "fault"})
            return
        left = f"; {gone} in the list had no file any more" if gone else ""
        text = f"The folder was read anew: {found} {'result' if found == 1 else 'results'} found{left}."
        print(text, flush=True)
        studio.events.publish("news", {"text": text, "kind": "news"})

    threading.Thread(target=work, name="scumble rescan", daemon=True).start()


def rescan(studio: Studio) -> tuple[int, int]:
    """Put what lies in the folder into the index again, and take out what is gone.

    Stars, the trash and what was queued are in no file: they stay where the index has them, and are lost with it.

    Returns:
        How many results came, and how many went.
    """
    for path in studio.pictures.all():
        _picture(studio, path)
    listed = studio.store.files()
    gone = [name for file, name in listed.items() if not (studio.folder / file).is_file()]
    for name in gone:
        studio.store.trash(name)
        studio.events.publish("removed", name)
    files = (path for path in studio.folder.glob("*.png") if path.name not in listed and not path.name.startswith("."))
    found = [path for path in sorted(files, key=_written) if _result(studio, path)]
    _inversions(studio)
    _kept(studio)
    return len(found), len(gone)


def _written(path: Path) -> tuple[float, str]:
    return path.stat().st_mtime, path.name


def _ask(studio: Studio, what: str, **data: Any) -> Any:
    return studio.engine.ask(what, **data).result(PATIENCE)


def _picture(studio: Studio, path: Path) -> str:
    """Remember a picture with both of its hashes; returns its id."""
    data = path.read_bytes()
    digest, view = studio.pictures.add(data, path.name)
    studio.store.keep_picture(digest, view.name, (view.width, view.height), view.alpha)
    if (studio.store.picture(digest) or {}).get("pixels") is None:
        studio.store.keep_pixels(digest, _ask(studio, "pixels", path=str(studio.pictures.there(digest))))
    return digest


def _result(studio: Studio, path: Path) -> bool:
    """Remember a result as its recipe tells it; False where it carries none."""
    said = _ask(studio, "result", path=str(path), inputs=[str(studio.folder.parent)])
    if said is None:
        return False
    picture = "" if said["source"] is None else _picture(studio, Path(said["source"]))
    name, body = row_of(studio, path, said, picture)
    studio.events.publish("result", studio.store.keep_result(name, 0, body, path.stat().st_mtime))
    return True


def _inversions(studio: Studio) -> None:
    """Put inversions on the shelf that lie in the folder and are not on it."""
    known = {one["id"] for one in studio.store.inversions()}
    for path in studio.inversions.all():
        name = path.name.partition(".")[0]
        if name in known:
            continue
        try:
            said = _ask(studio, "inversion", path=str(path))
        except InputError:
            continue
        picture = studio.store.picture_by_pixels(said["pixels"]) or {"id": None}
        studio.store.keep_inversion(name, said["name"], {**said["body"], "picture": picture["id"], "map": None})
    studio.events.publish("inversions", studio.store.inversions())


def _kept(studio: Studio) -> None:
    """Note of results from which others were made which picture they became."""
    results = studio.store.results(1_000_000)
    sources = {one["picture"] for one in results}
    for one in results:
        digest = hashlib.sha256((studio.folder / one["file"]).read_bytes()).hexdigest()
        if digest in sources and not one.get("kept"):
            studio.events.publish("result", studio.store.accepted(one["id"], digest))
