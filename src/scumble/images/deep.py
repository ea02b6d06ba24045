"""Sixteen bits per channel: edits are made on the upper eight, and kept pixels keep all sixteen.

Pillow reads and writes eight bits of a color picture. The sixteen are read and written by imagecodecs and tifffile
(the extra ``photos``); everything else in the file is written by Pillow as for any picture.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from scumble.images.turn import turned

__all__ = ["FORMATS", "Deep", "read_deep", "write_deep"]

FORMATS = ("PNG", "TIFF")
"""What can hold sixteen bits."""

Values = npt.NDArray[np.uint16]
_SIGNATURE = 8
_PIXELS = (b"IHDR", b"IDAT", b"IEND", b"tRNS")


@dataclass(frozen=True)
class Deep:
    """The sixteen bits of a picture whose upper eight are edited.

    Attributes:
        values: uint16 (H, W, 3), or (H, W, 4) with transparency; upright.
    """

    values: Values

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.values.shape[1], self.values.shape[0]

    def under(self, image: Image.Image) -> Values:
        """Return the sixteen bits of an edited picture of this size (H, W, 3 or 4).

        A value whose upper eight bits are the picture's own keeps all sixteen; a changed one v becomes 257 v. So the
        upper eight of what is returned are the edited picture, exactly.
        """
        edited = np.asarray(image.convert("RGBA" if "A" in image.getbands() else "RGB"))
        result = edited.astype(np.uint16) * np.uint16(257)
        shared = min(edited.shape[2], self.values.shape[2])
        for k in range(shared):
            same = edited[..., k] == (self.values[..., k] >> 8)
            result[..., k][same] = self.values[..., k][same]
        return result


def read_deep(path: Path, kind: str, orientation: int) -> Deep | None:
    """Read the sixteen bits of a color PNG or TIFF; None where it has none, or the packages for it are missing.

    Args:
        path: The file.
        kind: Pillow's name of its format.
        orientation: How the picture lies in it, 1 to 8.
    """
    try:
        values = _decoded(path, kind)
    except Exception:  # packages that are missing, kinds of TIFF that are not known: eight bits remain
        return None
    if values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] not in (3, 4):
        return None
    planes = [
        turned(Image.fromarray(np.ascontiguousarray(values[..., k])), orientation) for k in range(values.shape[2])
    ]
    return Deep(np.stack([np.asarray(plane, np.uint16) for plane in planes], axis=-1) if orientation > 1 else values)


def write_deep(path: Path, values: Values, kind: str) -> None:
    """Put sixteen bits into a PNG or TIFF that Pillow has just written with eight; all else in it stays."""
    if kind == "PNG":
        path.write_bytes(_png(path.read_bytes(), values))
    else:
        _into_tiff(path, values)


def _decoded(path: Path, kind: str) -> npt.NDArray[Any]:
    if kind == "PNG":
        return np.asarray(import_module("imagecodecs").png_decode(path.read_bytes()))
    with import_module("tifffile").TiffFile(path) as file:
        pages = [page for page in file.pages if page.axes in ("YXS", "SYX")]
        page = max(pages, key=lambda one: one.imagelength * one.imagewidth)
        if page.tags.valueof("Orientation", 1) != 1:
            raise ValueError("a turned TIFF")
        values = np.asarray(page.asarray())
        return np.moveaxis(values, 0, -1) if page.axes == "SYX" else values


def _png(shallow: bytes, values: Values) -> bytes:
    """A PNG of these values with all chunks of another that are not about its pixels."""
    level = 1 if values.size > 8_000_000 else 6
    deep = list(_chunks(import_module("imagecodecs").png_encode(np.ascontiguousarray(values), level=level)))
    others = [(name, whole) for name, whole in _chunks(shallow) if name not in _PIXELS]
    out = io.BytesIO()
    out.write(shallow[:_SIGNATURE])
    out.write(next(whole for name, whole in deep if name == b"IHDR"))
    for _, whole in others:
        out.write(whole)
    for name, whole in deep:
        if name == b"IDAT":
            out.write(whole)
    out.write(next(whole for name, whole in deep if name == b"IEND"))
    return out.getvalue()


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG: name and all bytes."""
    at = _SIGNATURE
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, data[at : at + 12 + length]
        at += 12 + length


def _into_tiff(path: Path, values: Values) -> None:
    """Append the values to a TIFF and point its tags at them."""
    tifffile = import_module("tifffile")
    height, _, channels = values.shape
    with path.open("r+b") as file:
        big = file.read(2) == b"MM"
        file.seek(0, io.SEEK_END)
        file.write(b"\0" * (file.tell() % 2))
        offset = file.tell()
        file.write(values.astype(">u2" if big else "<u2").tobytes())
        file.seek(0)
        with tifffile.TiffFile(file, mode="r+b") as tiff:
            tags = tiff.pages[0].tags
            new = {"BitsPerSample": (16,) * channels, "Compression": 1, "RowsPerStrip": height, "StripOffsets": offset}
            for name, value in {**new, "StripByteCounts": values.nbytes}.items():
                tags[name].overwrite(value)
            if "Predictor" in tags:
                tags["Predictor"].overwrite(1)
