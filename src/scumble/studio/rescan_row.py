"""The row of a result from its file alone: what its recipe says, what it was made from, and the equal command line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scumble.errors import ScumbleError
from scumble.studio.brought_back import brought_back
from scumble.studio.edit import Edit, files_of
from scumble.studio.job_routes import command_of
from scumble.studio.jobs_state import PACKED

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["row_of"]

USUAL = {"runtime": "torch", "dtype": "float32"}


def row_of(studio: Studio, path: Path, said: Mapping[str, Any], picture: str) -> tuple[str, dict[str, Any]]:
    """Id and body of a result in the index.

    Args:
        studio: Knows where pictures, maps and inversions are.
        path: The result's file.
        said: What :func:`scumble.studio.found.found_result` says of it.
        picture: Id of the picture that it was made from; empty where that is not here.
    """
    recipe = said["recipe"]
    near = None if said["map"] is None else Path(said["map"])
    change_map = near.parent.name if near is not None and near.parent.parent == studio.maps.folder else None
    several = recipe["count"] > 1
    stem = path.stem.removesuffix(f"-{recipe['index']}") if several else path.stem
    head, _, last = stem.rpartition("-")
    candidate = int(last) - 1 if not several and last.isdigit() and len(last) < 3 else None  # NAME-001-2.png
    body = {
        "edit": f"found-{stem if candidate is None else head}",
        "job": 0,
        "k": recipe["index"] if candidate is None else candidate,
        "file": path.name,
        "method": recipe["method"],
        "prompt": _words(recipe["parameters"].get("prompt")),
        "picture": picture,
        "map": change_map,
        "command": _command(studio, recipe, picture, change_map, path.with_stem(stem)),
        "model": _model(recipe),
        "seed": recipe["seed"] + recipe["index"],
        "notices": [],
        **dict.fromkeys(("forward", "backward", "calls", "seconds")),  # a file does not say what it cost
        **{part: said[part] for part in ("width", "height", "arrival", "proof")},
    }
    return f"f{hashlib.sha256(path.name.encode()).hexdigest()[:12]}", body


def _words(prompt: Any) -> str:
    return " | ".join(map(str, prompt)) if isinstance(prompt, list) else str(prompt or "")


def _model(recipe: Mapping[str, Any]) -> str | None:
    name = str(recipe["model"]["name"])
    return None if name == PACKED[0] else name


def _command(studio: Studio, recipe: dict[str, Any], picture: str, change_map: str | None, output: Path) -> str:
    """The command line that makes a result; nothing where something of it is not here."""
    back = brought_back(studio, recipe, change_map)
    if back["missing"] or not picture:
        return ""
    own = {name: back[name] for name in ("method", "parameters", "points", "places", "inversion")}
    files = {name: one["id"] for name, one in back["files"].items()}
    asked = {"picture": picture, "map": change_map, "seed": recipe["seed"], "count": recipe["count"], "files": files}
    computed = {name: recipe["environment"].get(name, usual) for name, usual in USUAL.items()}
    try:
        edit = Edit(**own, **asked)
        checked = studio.forms.check(
            method=edit.method,
            parameters=edit.parameters,
            points=[list(pair) for pair in edit.points],
            places=[one.words() for one in edit.places],
            files={place: studio.near(path) for place, path in files_of(studio, edit).items()},
            inversion=_near(studio, studio.inversions.path(edit.inversion or "")),
            picture=studio.near(studio.pictures.there(picture)),
            change_map=_near(studio, studio.maps.path(change_map or "")),
            seed=edit.seed,
            count=edit.count,
            output=output.name,
            model=_model(recipe),
            computed={name: str(value) for name, value in computed.items() if value != USUAL[name]},
        )
    except (ScumbleError, ValueError):
        return ""
    return "" if checked["faults"] else command_of(checked["command"], edit, 0, True, studio.near(output))


def _near(studio: Studio, path: Path | None) -> str | None:
    return None if path is None else studio.near(path)
