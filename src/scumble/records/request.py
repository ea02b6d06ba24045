"""A request: everything that decides an edit, before it is made. Lists, flags, the studio and recipes all become one.

It has two hashes: ``line``, of the request as written, cheap and known before the run; and ``key``, in which every file
and the model's weights stand by their content: it is inside the finished picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from scumble.errors import InputError
from scumble.file_field import FROM_WORDS
from scumble.hashing import sha256
from scumble.records.file_ref import FileRef, file_refs
from scumble.records.model_spec import ModelSpec
from scumble.records.view import View
from scumble.settings import Settings

if TYPE_CHECKING:
    from scumble.methods.method import Method

__all__ = ["MapFromWords", "Request", "canonical", "drawn_seed", "put"]

ASIDE = ("id", "output", "priority", "labels")
"""What is not part of a request's identity."""
LATER = ("map_inside",)
"""Fields that came after the first requests: where they say nothing, they are no part of it either."""
LATER_OF_MODELS = ("ip_adapter", "ip_image", "ip_scale")
"""The same of a model."""
MAX_SEED = 2**63 - 1


class MapFromWords(Settings):
    """A change map that is to be made from the picture by words."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    words: str
    """As a flag takes it: ``words:cube`` for where the cube is, ``not:cube`` for all else."""

    @field_validator("words")
    @classmethod
    def _marked(cls, words: str) -> str:
        return words if words.startswith(FROM_WORDS) else f"{FROM_WORDS[0]}{words}"


class Request(Settings):
    """An edit that has not been made yet."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, protected_namespaces=()
    )

    format: Literal[1] = 1
    """Version of this layout."""
    id: str | None = None
    """Unique in its ledger."""
    image: FileRef | None = None
    """The picture; None: one is made from nothing."""
    method: str
    """Canonical name of the method."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """The method's fields that were given, but files; a model may have its own values for those that were not."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """The method's other fields with the values they had when the request was settled: a part of its identity."""
    change_map: FileRef | float | MapFromWords | None = None
    """Where and how strongly the picture may change."""
    inversion: FileRef | None = None
    """The picture's inversion, to start from."""
    files: dict[str, FileRef] = Field(default_factory=dict)
    """Other files, by their place in the parameters or in ``also`` (``target_image``, ``also.0.mask``)."""
    also: tuple[dict[str, Any], ...] = ()
    """What acts besides the method: ``kind`` and fields."""
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    """Candidate k has seed + k; settled before anything runs."""
    count: int = Field(default=1, ge=1, le=10_000)
    """Number of candidates."""
    batch_size: int | None = Field(default=None, ge=1)
    """Candidates computed at once."""
    model: ModelSpec = ModelSpec()
    """The model."""
    view: View = View()
    """How the edit looks at its picture: windows, detail, tiles."""
    output: str | None = None
    """File name of the result, in the folder of the batch."""
    quality: int = Field(default=95, ge=1, le=100)
    """Of JPEG and WebP."""
    map_inside: bool = False
    """Put the change map beside the recipe into each result, which then needs the image alone to be made again."""
    priority: int = Field(default=0, ge=-1000, le=1000)
    """Higher ones are made first; no part of the identity."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Words for the report; no part of the identity."""

    @field_validator("image", "inversion", mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": str(value)} if isinstance(value, str | Path) else value

    @field_validator("change_map", mode="before")
    @classmethod
    def _map(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a change map is a file, a number from 0 to 1, or words")
        if isinstance(value, int | float) and not 0 <= value <= 1:
            raise ValueError(f"as a number, the strength of the change must be from 0 to 1, got {value!r:.20}")
        if isinstance(value, str) and value.startswith(FROM_WORDS):
            return {"words": value}
        return cls._path_alone(value)

    @field_validator("model", mode="before")
    @classmethod
    def _model(cls, value: Any) -> Any:
        return {"name": str(value)} if isinstance(value, str | Path) else {} if value is None else value

    def line(self) -> str:
        """SHA-256 (hex) of the request as written, without id, output, priority and labels."""
        return sha256(canonical(self._identity()))

    def key(self, contents: Mapping[str, str], weights: str) -> str:
        """SHA-256 (hex) of the request with every file by its content and the model by its weights.

        Args:
            contents: SHA-256 of each file, by its place as :func:`~scumble.records.file_ref.file_refs` gives it.
            weights: SHA-256 of the denoising network's weights.

        Raises:
            KeyError: If a file's content is missing.
        """
        body = self._identity()
        for place, _ in file_refs(self):
            put(body, place, contents[place])
        body["model"] = {**body["model"], "name": None, "weights": weights}
        return sha256(canonical(body))

    def affinity(self) -> str:
        """SHA-256 (hex) of what a worker has computed already when it made another request with the same."""
        common = self.model_dump(mode="json", include={"model", "image", "inversion"})
        return sha256(canonical(common))

    def build(self, at: Mapping[str, Any], **more: object) -> Method:
        """Return the method.

        Args:
            at: Where each file of ``files`` is, by its place.
            more: Fields to add, such as the change map.

        Raises:
            InputError: If a parameter does not fit the method; one line that names it.
        """
        from scumble.records.build import build_method

        return build_method(self.method, _with_files(self.parameters, at), more)

    def extras(self, at: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """What acts besides the method, with its files put back where they belong.

        Args:
            at: Where each file of ``files`` is, by its place.
        """
        inside = {"also": [dict(one) for one in self.also]}
        filled = _with_files(inside, {place: path for place, path in at.items() if place.startswith("also.")})
        return tuple(filled["also"])

    def _identity(self) -> dict[str, Any]:
        body = _without_silent(self.model_dump(mode="json", exclude=set(ASIDE)), LATER)
        model = {name: value for name, value in body["model"].items() if name != "settled"}
        return {**body, "model": _without_silent(model, LATER_OF_MODELS)}


def _without_silent(body: Mapping[str, Any], later: Sequence[str]) -> dict[str, Any]:
    """The fields without those that came later and say nothing: requests from before them stay who they were."""
    return {name: value for name, value in body.items() if name not in later or value not in (None, False)}


def canonical(value: Any) -> str:
    """JSON with sorted keys, shortest numbers and no NaN: the same text for the same value, on every machine."""
    try:
        return json.dumps(_plain(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise InputError(f"a request cannot hold infinite or undefined numbers ({error})") from error


def drawn_seed(name: str) -> int:
    """The seed of a request that gives none: from its id, so different for each and the same on every machine."""
    return int(sha256(f"seed/{name}")[:8], 16) >> 1


def _plain(value: Any) -> Any:
    """Whole floats as integers, so that 1 and 1.0 are the same request."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _with_files(values: Mapping[str, Any], at: Mapping[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = json.loads(json.dumps(dict(values)))
    for place, path in at.items():
        if place.partition(".")[0] in filled or "." not in place:
            put(filled, place, path)
    return filled


def put(body: Any, place: str, value: Any) -> None:
    """Set what is at a place with dots; keys that hold dots themselves are taken whole."""
    keys = place.split(".")
    while len(keys) > 1:
        if isinstance(body, list):
            body, keys = body[int(keys[0])], keys[1:]
            continue
        taken = next((n for n in range(len(keys) - 1, 0, -1) if ".".join(keys[:n]) in body), 0)
        whole = ".".join(keys)
        if whole in body or not taken:
            break
        body, keys = body[".".join(keys[:taken])], keys[taken:]
    if isinstance(body, list):
        body[int(keys[0])] = value
    else:
        body[".".join(keys)] = value
