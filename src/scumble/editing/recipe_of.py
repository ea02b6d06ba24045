"""The recipe of an edit, and what its defaults came to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scumble.editing.asked import Edit
from scumble.file_field import named_files
from scumble.hashing import files_sha256
from scumble.methods.method import Method
from scumble.models.runtime.base import made_with
from scumble.records.metadata import without_folders
from scumble.records.recipe import Recipe, environment

if TYPE_CHECKING:
    pass

__all__ = ["recipe_of", "used_defaults"]


def recipe_of(asked: Edit, seed: int, count: int, batch_size: int, size: tuple[int, int]) -> Recipe:
    """The recipe of what an edit makes, without its picture and windows."""
    model, method = asked.model, asked.method
    runtime, precision = made_with(model)
    return Recipe(
        method=method.method_name(),
        parameters=without_folders(method.model_dump(mode="json")),
        seed=seed,
        count=count,
        batch_size=batch_size,
        exact_batch=asked.exact_batch,
        size=size,
        model={"name": model.name, "sha256": model.weights_hash},
        model_settings=dict(model.settings),
        environment=environment(str(model.device), precision, runtime),
        files=_files(asked),
        also=[{"kind": one.kind, **without_folders(one.model_dump(mode="json"))} for one in asked.also],
    )


def used_defaults(method: Method, used: Mapping[str, Any]) -> dict[str, Any]:
    """What the defaults of fields that were left out came to."""
    fields = type(method).model_fields
    return {name: value for name, value in used.items() if name in fields and getattr(method, name) is None}


def _files(asked: Edit) -> dict[str, dict[str, str]]:
    """Name and content of the other files that method and extras name, by their place."""
    named = [*named_files(asked.method)]
    named += [file for k, one in enumerate(asked.also) for file in named_files(one, f"also.{k}.")]
    paths = {file.place: Path(file.path) for file in named}
    return {
        place: {"name": path.name, "sha256": files_sha256([path])} for place, path in paths.items() if path.is_file()
    }
