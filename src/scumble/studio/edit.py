"""What the page asks for, ids only, and the request that it becomes: files by name inside the folder, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from scumble.errors import InputError
from scumble.records.file_ref import FileRef
from scumble.records.request import Request

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["Edit", "PlacedText", "files_of", "payload_of", "request_of"]

MOST_COUNT = 64
MOST_PLACES = 8


class PlacedText(BaseModel):
    """Words that hold where a map says, or that are added everywhere with a weight of either sign.

    Bounds of the numbers are the method's to judge, so that its sentence is the command line's.
    """

    model_config = ConfigDict(extra="ignore")

    text: str = Field(max_length=4000)
    map: str | None = None
    weight: float = 1.0
    mode: Literal["blend", "add"] = "blend"
    begin: float = 0.0
    end: float = 1.0

    def words(self) -> dict[str, Any]:
        """Its fields as the method takes them, without the file of its map."""
        everywhere = {} if self.map or self.mode == "add" else {"map": 1.0}
        fields = {"weight": self.weight, "mode": self.mode, "begin": self.begin, "end": self.end}
        usual = PlacedText(text="")
        changed = {name: value for name, value in fields.items() if value != getattr(usual, name)}
        return {"text": self.text, **everywhere, **changed}

    def rank(self) -> int:
        """Its place in the order in which the command line takes words: JSON, ``--at``, ``--also-words``."""
        if (self.begin, self.end) != (0, 1):
            return 0
        if self.mode == "add":
            return 2 if self.map is None else 0
        return 1 if self.weight == 1 else 0


class Edit(BaseModel):
    """What the page asks to be planned or made: ids only, never bytes or paths."""

    model_config = ConfigDict(extra="ignore")

    picture: str | None = None
    map: str | None = None
    method: str = "differential-diffusion"
    parameters: dict[str, Any] = Field(default_factory=dict)
    points: list[tuple[float, float, float, float]] = Field(default_factory=list, max_length=64)
    places: list[PlacedText] = Field(default_factory=list, max_length=MOST_PLACES)
    files: dict[str, str] = Field(default_factory=dict, max_length=8)
    """Field -> id of a file that was sent before."""
    inversion: str | None = None
    """Id of an inversion on the shelf."""
    seed: int = Field(default=0, ge=0, le=2**53)
    count: int = Field(default=1, ge=1, le=MOST_COUNT)
    front: bool = False
    live: bool = False
    empty_map: bool = False

    @field_validator("places")
    @classmethod
    def _ordered(cls, places: list[PlacedText]) -> list[PlacedText]:
        return sorted(places, key=PlacedText.rank)


def files_of(studio: Studio, edit: Edit) -> dict[str, Path]:
    """Where the files of an edit lie, by their place in its parameters.

    Raises:
        InputError: If one of them is not in this folder.
    """
    files = {}
    for k, one in enumerate(edit.places):
        if one.map is None:
            continue
        path = studio.maps.path(one.map)
        if path is None:
            raise InputError(f"the map of {one.text!r} is not in this folder: paint it again")
        files[f"placed_words.{k}.map"] = path
    for name, digest in edit.files.items():
        sent = studio.pictures.path(digest) or studio.texts.path(digest)
        if sent is None:
            raise InputError(f"the file for {name} is not in this folder: choose it again")
        files[name] = sent
    return files


def request_of(studio: Studio, edit: Edit, checked: Mapping[str, Any], map_id: str | None, **more: Any) -> Request:
    """The request that a checked edit becomes.

    Args:
        studio: Knows where pictures, maps and inversions are.
        edit: What was asked for.
        checked: What :meth:`Forms.check` said of it.
        map_id: The map that was settled on.
        more: Further fields of the request; ``count`` and ``seed`` replace the edit's.
    """
    picture, change_map = studio.pictures.there(str(edit.picture)), studio.maps.path(map_id or "")
    inversion = None if edit.inversion is None else studio.inversions.path(edit.inversion)
    files = files_of(studio, edit)
    parameters = {name: value for name, value in checked["parameters"].items() if name not in files}
    if edit.places:
        parameters["placed_words"] = [one.words() for one in edit.places]
    fields: dict[str, Any] = {
        "image": _ref(studio, picture),
        "method": edit.method,
        "parameters": parameters,
        "files": {place: _ref(studio, path) for place, path in files.items()},
        "view": checked["view"],
        "change_map": None if change_map is None else _ref(studio, change_map, map_id),
        "inversion": None if inversion is None else _ref(studio, inversion),
        "seed": edit.seed,
        "count": edit.count,
        "model": studio.model,
    }
    return Request(**{**fields, **more})


def payload_of(studio: Studio, request: Request) -> dict[str, Any]:
    """What the maker's process is given to find everything."""
    return {"request": request.model_dump(mode="json"), "folder": str(studio.folder)}


def _ref(studio: Studio, path: Path, digest: str | None = None) -> FileRef:
    return FileRef(path=path.relative_to(studio.folder).as_posix(), sha256=digest)
