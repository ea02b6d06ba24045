"""Requests from a folder of pictures, maps and prompts, or of recipes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from glob import escape
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS, READABLE_PICTURES
from scumble.records.list_lines import PROMPT_LENGTH, Found, Line, Patterns
from scumble.records.problems import ListError, Problem

__all__ = ["read_folder", "read_recipes"]


def read_folder(
    folder: Path,
    patterns: Patterns = Patterns(),  # noqa: B008
    *,
    recursive: bool = False,
    without: Iterable[Path] = (),
) -> Found:
    """Find the pictures of a folder, and the map, the prompt and the inversion that belong to each.

    Hidden files, folders called ``.scumble``, what is below ``without``, and what was matched as a map are left out.

    Raises:
        ListError: Where a pattern matches nothing or several files, or the picture itself.
    """
    barred = [path.resolve() for path in without]
    pictures = [
        path
        for path in (folder.rglob("*") if recursive else folder.iterdir())
        if path.suffix.lower() in READABLE_PICTURES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not any(path.resolve().is_relative_to(one) for one in barred)
    ]
    pictures.sort(key=lambda path: path.relative_to(folder).as_posix().encode())
    maps = {picture: _matching(picture, patterns.maps) for picture in pictures} if patterns.maps else {}
    taken = {match for picture, matches in maps.items() for match in matches if match != picture}
    gathered, problems = Found(), list[Problem]()
    for picture in pictures:
        if picture in taken:
            continue
        name = picture.relative_to(folder).as_posix()
        fields: dict[str, Any] = {"image": name}
        try:
            if patterns.maps and (match := _map(picture, patterns.maps, patterns.maps_optional)) is not None:
                fields["change_map"] = match.relative_to(folder).as_posix()
            if patterns.inversions:
                inversion = _one(picture, patterns.inversions, "inversion")
                fields["inversion"] = None if inversion is None else inversion.relative_to(folder).as_posix()
            if patterns.prompts:
                fields["prompt"] = _prompt(_one(picture, patterns.prompts, "prompt"))
        except InputError as error:
            problems.append(Problem(name, None, str(error)))
            continue
        gathered.lines.append(Line(name, None, fields, str(folder.absolute()), name=name[: -len(picture.suffix)]))
    if problems:
        raise ListError(problems)
    if not gathered.lines:
        raise InputError(f"the folder {folder} holds no pictures ({', '.join(READABLE_PICTURES)})")
    return gathered


def _matching(picture: Path, pattern: str) -> list[Path]:
    parts = {"stem": picture.stem, "name": picture.name, "ext": picture.suffix[1:], "parent": picture.parent.name}
    unknown = [name for name in re.findall(r"\{([^{}]*)\}", pattern) if name not in parts]
    if unknown:
        raise InputError(
            f"the pattern {pattern!r} knows no {{{unknown[0]}}}; it knows {{stem}}, {{name}}, {{ext}}, {{parent}}"
        )
    text = re.sub(r"\{(\w+)\}", lambda match: escape(parts[match[1]]), pattern)
    if Path(text).is_absolute():
        raise InputError(f"the pattern {pattern!r} must be relative to the picture's folder")
    return sorted(path for path in picture.parent.glob(text) if path.is_file())


def _map(picture: Path, pattern: str, optional: bool) -> Path | None:
    return None if optional and not _matching(picture, pattern) else _one(picture, pattern, "map")


def _one(picture: Path, pattern: str, what: str) -> Path:
    matches = _matching(picture, pattern)
    if matches == [picture]:
        raise InputError(f"the {what} pattern {pattern!r} matches the picture itself")
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise InputError(f"no {what} matches {pattern!r}")
    raise InputError(f"several match {pattern!r} as its {what}: {', '.join(path.name for path in matches[:5])}")


def _prompt(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the prompt {path.name} cannot be read as UTF-8 text") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if len(text) > PROMPT_LENGTH:
        raise InputError(f"the prompt {path.name} is longer than {PROMPT_LENGTH} characters")
    return text


def read_recipes(paths: Iterable[Path]) -> Found:
    """Take finished pictures as requests: each is asked for its recipe, and is to be made again."""
    gathered = Found()
    for path in paths:
        where = str(path.absolute().parent)
        gathered.lines.append(Line(path.name, None, {}, where, name=path.stem, recipe=str(path.absolute())))
    return gathered


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder that can hold a recipe, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_FORMATS and path.name[0] != ".")
