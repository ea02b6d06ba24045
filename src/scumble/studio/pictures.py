"""Pictures by the hash of their bytes: checked by their header, kept as they came, copied small for the screen."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from scumble.errors import InputError
from scumble.hashing import sha256
from scumble.studio.files import write_bytes

__all__ = ["MOST_BYTES", "MOST_PIXELS", "Pictures", "Observation", "inspect"]

MOST_BYTES = 64 * 2**20
MOST_PIXELS = 64_000_000
FREE = 2**30
"""Bytes that stay free on the disk."""
SHOWN_AS_IT_IS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
SHOWN_PIXELS = 24_000_000
SIDES = (160, 320, 512, 1024, 2048, 4096)
"""Sides of the copies for the screen: what is asked for gets the next larger one, so that there are few."""

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked on the header, before anything is decoded


@dataclass(frozen=True)
class Observation:
    """What a picture file is, upright.

    Attributes:
        name: Its file name.
        width: Pixels, after its EXIF orientation.
        height: Likewise.
        alpha: Whether it has transparency.
        kind: Pillow's name of the format.
        recipe: The recipe inside it, or None.
    """

    name: str
    width: int
    height: int
    alpha: bool
    kind: str
    recipe: dict[str, Any] | None


def inspect(data: bytes, name: str) -> Observation:
    """Look at a picture file: header, limits, then all of it.

    Raises:
        InputError: One sentence that says what is wrong with it.
    """
    if not data:
        raise InputError(f"{name} is an empty file")
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise InputError(
                    f"{name} has {width * height / 1e6:.0f} megapixels ({width} x {height});"
                    f" the studio takes up to {MOST_PIXELS // 1_000_000}: make it smaller first"
                )
            if getattr(image, "is_animated", False) and image.format not in ("TIFF", "MPO"):
                raise InputError(f"{name} is an animation; give a single picture")
            recipe = _recipe(image.info)
            kind, alpha = str(image.format), image.has_transparency_data
            image.load()
            turned = ImageOps.exif_transpose(image)
            return Observation(name, turned.width, turned.height, alpha, kind, recipe or _recipe(image.info))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name} is not a picture in a known format (PNG, JPEG, WebP, TIFF, BMP)") from None
    except Exception as error:  # a decoder may raise anything at all on damaged bytes
        raise InputError(f"{name} cannot be read: {' '.join(str(error).split())}; it may be cut off") from error


def _recipe(info: dict[Any, Any]) -> dict[str, Any] | None:
    text = info.get("scumble")
    if not isinstance(text, str) or len(text) > 4_000_000:
        return None
    try:
        recipe = json.loads(text, parse_constant=lambda name: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) and isinstance(recipe.get("method"), str) else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def safe_name(name: str) -> str:
    """The last part of a name without anything that a file system, a shell or a recipe could stumble over."""
    last = re.split(r"[\\/]", name)[-1]
    clean = re.sub(r"[^\w. ()+-]", "_", last).strip(". ") or "picture"
    stem, dot, suffix = clean.rpartition(".")
    return f"{stem[:80]}.{suffix[:8]}" if dot and stem else clean[:80]


class Pictures:
    """Files below ``FOLDER/.scumble/pictures``: one folder a hash, the file in it under the name it came with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pictures"
        self.copies = folder / "copies"
        self._copying = threading.Lock()

    def add(self, data: bytes, name: str, inspected: Observation | None = None) -> tuple[str, Observation]:
        """Keep a picture; the same bytes are kept once. Returns its id and what it is.

        Args:
            data: Its file.
            name: Its name.
            inspected: What :func:`inspect` says of these bytes, where they were looked at before.

        Raises:
            InputError: If it is no usable picture, too large, or the disk is full.
        """
        name = safe_name(name)
        view = inspect(data, name) if inspected is None else replace(inspected, name=name)
        digest = sha256(data)
        there = self.path(digest)
        if there is not None:
            return digest, Observation(there.name, view.width, view.height, view.alpha, view.kind, view.recipe)
        if shutil.disk_usage(self.folder.parent).free < FREE + len(data):
            raise InputError("the disk has less than 1 GiB left: make room, then open the picture again")
        if "." not in name:
            name = f"{name}.{view.kind.lower()}"
        place = self.folder / digest
        place.mkdir(parents=True, exist_ok=True)
        write_bytes(place / name, data)
        return digest, Observation(name, view.width, view.height, view.alpha, view.kind, view.recipe)

    def path(self, digest: str) -> Path | None:
        """Where a picture is, or None."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return None
        place = self.folder / digest
        return (
            next((one for one in sorted(place.iterdir()) if not one.name.startswith(".")), None)
            if place.is_dir()
            else None
        )

    def all(self) -> list[Path]:
        """Every picture that is here."""
        paths = (self.path(place.name) for place in sorted(self.folder.glob("*")) if place.is_dir())
        return [path for path in paths if path is not None]

    def there(self, digest: str) -> Path:
        """Where a picture is.

        Raises:
            InputError: If it is not in this folder.
        """
        path = self.path(digest)
        if path is None:
            raise InputError("that picture is not in this folder")
        return path

    def shown(self, digest: str, most: int | None) -> tuple[Path, str] | None:
        """A file that a browser can show, and its media type: the very bytes where that is possible."""
        path = self.path(digest)
        return None if path is None else self.copy_of(path, digest, most)

    def copy_of(self, path: Path, name: str, most: int | None) -> tuple[Path, str]:
        """A copy of a picture for the screen, at most ``most`` pixels a side; the file itself where it serves."""
        with Image.open(path) as image:
            kind, size = str(image.format), image.size
        if most is None and kind in SHOWN_AS_IT_IS and size[0] * size[1] <= SHOWN_PIXELS:
            return path, SHOWN_AS_IT_IS[kind]
        side = next((one for one in SIDES if one >= (most or SIDES[-1])), SIDES[-1])
        target = self.copies / f"{name}-{side}.webp"
        with self._copying:
            if not target.is_file():
                self.copies.mkdir(parents=True, exist_ok=True)
                with Image.open(path) as image:
                    upright = ImageOps.exif_transpose(image)
                    if upright.mode.startswith(("I", "F")):
                        upright = upright.point(lambda value: value / 257).convert("L")
                    shown = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
                    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
                    buffer = io.BytesIO()
                    shown.save(buffer, "WEBP", quality=86, method=2)
                write_bytes(target, buffer.getvalue())
        return target, "image/webp"
