"""Read what somebody else wrote: JSON and files that may be wrong, huge or hostile."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any

from scumble.errors import InputError

__all__ = ["MAX_TEXT", "is_plain_name", "name_of", "parse_json", "printable", "read_text", "regular_file"]

MAX_TEXT = 8_000_000
"""Bytes of a text file or of a recipe; more than any that Scumble writes."""
MAX_DEPTH = 64
"""Levels of nesting of JSON."""


def parse_json(text: str | bytes, what: str) -> Any:
    """Return what JSON says: finite numbers, whole numbers below 2^64, proper Unicode, not too deep.

    Args:
        text: The JSON.
        what: Names it in the error: ``the recipe in out.png``.

    Raises:
        InputError: If it is no such JSON; one line.
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"{what} is damaged: {len(text)} characters are more than anything that Scumble writes")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, parse_int=_integer, parse_float=_finite)
        _check(value, 0)
    except RecursionError:
        raise InputError(f"{what} is damaged: it is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{what} is damaged: {error}") from error
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that JSON knows")


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) >= 2**64:
        raise ValueError(f"the number {text[:20]}… is too large")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        value.encode("utf-8")  # a lone surrogate is no character; UnicodeEncodeError is a ValueError
    elif isinstance(value, dict):
        for key, one in value.items():
            _check(key, depth)
            _check(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check(one, depth + 1)


def regular_file(path: str | Path, what: str, limit: int | None = None) -> Path:
    """Return the path of a file that may be opened: it exists, is no folder, device or pipe, and is not too large.

    Args:
        path: The path.
        what: Names it in the error: ``the recipe``.
        limit: Bytes, at most.

    Raises:
        InputError: Saying what is wrong with it.
    """
    try:
        path = Path(path)
        about = path.stat()
    except (OSError, ValueError) as error:  # a NUL in the name, too long, missing
        reason = getattr(error, "strerror", None) or str(error)
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        problem = "does not exist" if missing else f"cannot be read: {reason}"
        raise InputError(f"{what} {_short(path)} {problem}") from error
    if stat.S_ISDIR(about.st_mode):
        raise InputError(f"{what} {_short(path)} is a folder")
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{what} {_short(path)} is a device or pipe, which is never opened; give a plain file")
    if limit is not None and about.st_size > limit:
        raise InputError(f"{what} {_short(path)} is too large: {about.st_size} bytes, at most {limit}")
    return path


def read_text(path: str | Path, what: str, limit: int = MAX_TEXT) -> str:
    """Return the text of a regular UTF-8 file.

    Raises:
        InputError: If it is none, or too large.
    """
    path = regular_file(path, what, limit)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{what} {_short(path)} cannot be read as text: {error}") from error


def is_plain_name(name: str) -> bool:
    """Whether a name that comes from a file names something in a folder: no path, nothing hidden, no device."""
    stem = name.partition(".")[0].rstrip(" ").lower()
    device = stem in ("con", "prn", "aux", "nul") or (stem[:3] in ("com", "lpt") and stem[3:].isdigit())
    return bool(name) and len(name.encode("utf-8", "replace")) <= 200 and not device and _is_one_part(name)


def _is_one_part(name: str) -> bool:
    return not (name.startswith(".") or name.endswith((" ", ".")) or any(c in '/\\:*?"<>|' or c < " " for c in name))


def printable(text: str) -> str:
    """Return a text that a terminal shows and does not obey: control characters are written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def name_of(path: str | Path) -> str:
    """Return a file's name as recipes can hold it: what is no Unicode in it, on old file systems, becomes ``?``."""
    return Path(path).name.encode("utf-8", "replace").decode("utf-8")


def _short(path: object) -> str:
    text = printable(str(path))
    return text if len(text) <= 120 else f"{text[:60]}…{text[-40:]}"
