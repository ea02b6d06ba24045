"""Change maps by the engine's own hash of their strengths: sent by the page as bytes, kept as grey PNG."""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from scumble.errors import InputError
from scumble.hashing import files_sha256, sha256
from scumble.studio.files import write_bytes
from scumble.studio.pictures import MOST_PIXELS

__all__ = ["Maps", "inflated", "map_sha256", "size_of"]

Strengths = npt.NDArray[np.uint8]

_UNIT = (np.arange(256) / 255.0).astype(np.float32)


def map_sha256(strengths: Strengths) -> str:
    """The hash that recipes give a map: of the shape (1, 1, H, W) and the float32 strengths."""
    shape = (1, 1, *strengths.shape)
    return sha256(str(shape), _UNIT[strengths].tobytes())


def size_of(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``.

    Raises:
        InputError: If it is something else, or too large.
    """
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 0 < width * height <= MOST_PIXELS:
        raise InputError(f"the size of the map is {text!r}; give WIDTHxHEIGHT, up to {MOST_PIXELS // 10**6} megapixels")
    return width, height


def inflated(data: bytes, size: tuple[int, int]) -> Strengths:
    """Unpack a map (zlib) of exactly this size, never more than that.

    Raises:
        InputError: If it is damaged or of another size.
    """
    width, height = size
    unpacker = zlib.decompressobj()
    try:
        values = unpacker.decompress(data, width * height + 1)
    except zlib.error as error:
        raise InputError(f"the map is damaged: {error}") from error
    if len(values) != width * height or not unpacker.eof:
        raise InputError(f"the map does not hold {width} x {height} strengths")
    return np.frombuffer(values, np.uint8).reshape(height, width)


class Maps:
    """Files ``FOLDER/.scumble/maps/HASH/map.png``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "maps"

    def add(self, strengths: Strengths) -> str:
        """Keep a map; returns its id, the engine's hash of it."""
        digest = map_sha256(strengths)
        place = self.folder / digest
        if not (place / "map.png").is_file():
            place.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            Image.fromarray(strengths).save(buffer, "PNG", compress_level=1)
            write_bytes(place / "map.png", buffer.getvalue())
        return digest

    def path(self, digest: str) -> Path | None:
        """Where a map is, or None."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return None
        path = self.folder / digest / "map.png"
        return path if path.is_file() else None

    def all(self) -> list[Path]:
        """Every map that is here."""
        return sorted(self.folder.glob("*/map.png"))

    def by_file(self, digest: str) -> str | None:
        """The id of the map whose file has this SHA-256, by which recipes name the maps of words; None: not here."""
        for path in self.all():
            if files_sha256([path]) == digest:
                return path.parent.name
        return None

    def strengths(self, path: Path) -> Strengths:
        """The strengths (H, W) of a map by its :meth:`path`."""
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
