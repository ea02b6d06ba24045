"""The JSON of a model folder, checked before a network is built of it: anybody may have written it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from scumble.errors import CheckpointError, InputError, ScumbleError
from scumble.untrusted import parse_json, printable, read_text

__all__ = ["checked_config", "guarded", "json_object"]

Loaded = TypeVar("Loaded")

MOST_LAYERS = 512
"""Layers of one kind; each is built before weights are looked for."""
LARGEST = 10_000_000
"""Of any whole number in a config: widths, sizes, words of a vocabulary, training steps."""


def json_object(path: Path, missing: str) -> dict[str, Any]:
    """Return the JSON object of a file.

    Raises:
        CheckpointError: ``missing`` where it does not exist, or that it cannot be read or is no object.
    """
    place = f"{path.parent.name}/{path.name}"
    if not path.exists():
        raise CheckpointError(f"{missing}: {place} is missing")
    try:
        content = parse_json(read_text(path, "the file"), place)
    except InputError as error:
        raise CheckpointError(f"{place} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{place} must hold a JSON object")
    return content


def checked_config(path: Path, missing: str) -> dict[str, Any]:
    """Return a network's config, refused where it asks for more than any network has.

    Raises:
        CheckpointError: As :func:`json_object`, or naming the number that is too large.
    """
    config = json_object(path, missing)
    for name, value in config.items():
        most = MOST_LAYERS if "layers" in name else LARGEST
        for number in _numbers(value):
            if abs(number) > most:
                what = f"{path.parent.name}/{path.name}"
                raise CheckpointError(f"{what} is damaged: {printable(name[:60])} is {number:g}, at most {most}")
    return config


def guarded(what: str, load: Callable[[], Loaded]) -> Loaded:
    """Load something through other libraries, which raise whatever damaged files lead them to.

    Raises:
        CheckpointError: One line that names what it is, for anything but our own errors and a lack of memory.
    """
    try:
        return load()
    except (ScumbleError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        reason = text if len(text) <= 300 else f"{text[:300]}…"
        raise CheckpointError(f"{what} cannot be loaded; it is damaged or incomplete: {printable(reason)}") from error


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for one in value.values() for number in _numbers(one)]
    if isinstance(value, list):
        return [number for one in value for number in _numbers(one)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []
