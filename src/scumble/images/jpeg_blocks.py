"""A JPEG keeps every block that the map does not touch: coefficients are copied, not encoded anew."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from scumble.images.turn import turned_back

__all__ = ["kept_blocks", "with_segments"]

Mask = npt.NDArray[np.bool_]

_SAMPLINGS = {((1, 1), (1, 1), (1, 1)): 0, ((1, 2), (1, 1), (1, 1)): 1, ((2, 2), (1, 1), (1, 1)): 2, ((1, 1),): -1}
"""Pillow's numbers of 4:4:4, 4:2:2 and 4:2:0 by the (vertical, horizontal) factors of each component; -1: grey."""


def kept_blocks(result: Image.Image, source: bytes, changed: Mask, orientation: int = 1) -> tuple[bytes, float] | None:
    """Return the JPEG (without metadata) and the share of untouched pixels that decode to the same bytes.

    A pixel whose block (8 or 16 pixels a side, by the sampling of colors) and those next to it are untouched is among
    them. None where the file does not allow it: another kind of coding, or the package ``jpeglib`` is not installed.

    Args:
        result: The edited picture, upright, RGB.
        source: The file that was edited.
        changed: (H, W), upright: where the picture may differ.
        orientation: EXIF orientation of the file, 1 to 8; the blocks stay in the file's own frame.
    """
    try:
        import jpeglib
    except ImportError:
        return None
    result, changed = turned_back(result, orientation), np.asarray(turned_back(Image.fromarray(changed), orientation))
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.jpg", Path(folder) / "after.jpg"
        before.write_bytes(source)
        try:
            with Image.open(before) as opened:
                opened.load()
                original, tables = opened.convert("RGB"), getattr(opened, "quantization", None)
                grey = opened.mode == "L"
            old = jpeglib.read_dct(str(before))
            sampling = _sampling(old)
            if sampling is None or not tables or original.size != result.size or grey is not (sampling < 0):
                return None
            if grey and not _is_grey(result):
                return None
            _encoded(result, tables, sampling, after)
            new = jpeglib.read_dct(str(after))
            if not _alike(old, new):
                return None
            _copied(old, new, changed)
            old.markers, old.progressive_mode = [], False
            old.write_dct(str(after))
            with Image.open(after) as opened:
                decoded = np.asarray(opened.convert("RGB"))
        except (OSError, ValueError, RuntimeError, AttributeError):  # what the two libraries raise on odd files
            return None
        same = (decoded == np.asarray(original)).all(axis=2)
        unchanged = ~changed
        return after.read_bytes(), float(same[unchanged].mean()) if unchanged.any() else 1.0


def with_segments(
    jpeg: bytes,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    icc: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Return a JPEG with these and no other metadata segments; what is too long for a segment is left out."""
    across, down = (min(max(round(value), 1), 65535) for value in dpi) if dpi else (1, 1)
    parts = [_segment(0xE0, b"JFIF\0" + struct.pack(">HBHHBB", 0x0101, 1 if dpi else 0, across, down, 0, 0))]
    if exif is not None and len(exif) <= 65527:
        parts.append(_segment(0xE1, b"Exif\0\0" + exif))
    if xmp is not None and len(xmp) <= 65504:
        parts.append(_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    if icc:
        pieces = [icc[k : k + 65519] for k in range(0, len(icc), 65519)]
        for k, piece in enumerate(pieces):
            parts.append(_segment(0xE2, b"ICC_PROFILE\0" + bytes([k + 1, len(pieces)]) + piece))
    return jpeg[:2] + b"".join(parts) + jpeg[_after_metadata(jpeg) :]


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _after_metadata(jpeg: bytes) -> int:
    """Where the first segment begins that is neither APPn nor a comment."""
    place = 2
    while jpeg[place] == 0xFF and (0xE0 <= jpeg[place + 1] <= 0xEF or jpeg[place + 1] == 0xFE):
        place += 2 + struct.unpack(">H", jpeg[place + 2 : place + 4])[0]
    return place


def _sampling(coefficients: Any) -> int | None:
    factors = tuple((int(down), int(across)) for down, across in coefficients.samp_factor)
    if coefficients.has_black or ("YCbCr" not in str(coefficients.jpeg_color_space) and len(factors) > 1):
        return None
    return _SAMPLINGS.get(factors)


def _is_grey(image: Image.Image) -> bool:
    values = np.asarray(image)
    return values.ndim == 2 or bool((values[..., :1] == values[..., 1:3]).all())


def _encoded(result: Image.Image, tables: Any, sampling: int, path: Path) -> None:
    options: dict[str, Any] = {} if sampling < 0 else {"subsampling": sampling}
    image = result.convert("L") if sampling < 0 else result.convert("RGB")
    image.save(path, format="JPEG", qtables=tables, **options)


def _alike(old: Any, new: Any) -> bool:
    tables = np.array_equal(old.qt, new.qt) and np.array_equal(old.quant_tbl_no, new.quant_tbl_no)
    return bool(tables) and all(one.shape == other.shape for one, other in _planes(old, new))


def _planes(old: Any, new: Any) -> list[tuple[Any, Any]]:
    pairs = [(old.Y, new.Y), (old.Cb, new.Cb), (old.Cr, new.Cr)]
    return [(one, other) for one, other in pairs if one is not None and other is not None]


def _copied(old: Any, new: Any, changed: Mask) -> None:
    """Put the new coefficients of every touched group of blocks into the old ones."""
    down, across = (int(f) for f in old.samp_factor[0])
    if len(old.samp_factor) == 1:
        down = across = 1
    height, width = changed.shape
    padded = np.pad(changed, ((0, -height % (8 * down)), (0, -width % (8 * across))))
    tiled = padded.reshape(padded.shape[0] // (8 * down), 8 * down, -1, 8 * across)
    touched = np.asarray(tiled.any(axis=(1, 3)))
    for k, (one, other) in enumerate(_planes(old, new)):
        blocks = np.repeat(np.repeat(touched, down, 0), across, 1) if k == 0 else touched
        rows, columns = one.shape[:2]
        where = blocks[:rows, :columns]
        with contextlib.suppress(ValueError):
            one.setflags(write=True)
        one[where] = other[where]
