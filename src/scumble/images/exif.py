"""EXIF patched where it lies: upright, without the old thumbnail; every length and offset stays."""

from __future__ import annotations

import struct

__all__ = ["Damaged", "patched"]

_ORIENTATION, _EXIF_IFD, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003
_THUMBNAIL = ((0x0201, 0x0202), (0x0111, 0x0117))  # offset and length of a JPEG, of raw strips
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_JPEG, _END = b"\xff\xd8\xff", b"\xff\xd9"


class Damaged(ValueError):
    """The bytes are no EXIF, or point outside of themselves."""


def patched(exif: bytes, size: tuple[int, int] | None = None, orientation: int = 1) -> bytes:
    """Return the EXIF (a TIFF structure, without the prefix of a JPEG segment) for an edited picture.

    Maker notes with absolute offsets keep working since nothing moves. Every embedded preview is overwritten with
    zeros: it still shows what was removed.

    Args:
        exif: The bytes as they were in the file.
        size: (width, height) to state.
        orientation: Orientation to state.

    Raises:
        Damaged: If the structure cannot be followed.
    """
    data = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        raise Damaged("no TIFF header")
    try:
        _patch(data, order, size, orientation)
    except struct.error as error:
        raise Damaged(str(error)) from error
    _without_previews(data)
    return bytes(data)


def _patch(data: bytearray, order: str, size: tuple[int, int] | None, orientation: int) -> None:
    first = struct.unpack_from(order + "I", data, 4)[0]
    if first == 0:  # a header alone
        return
    entries, after = _entries(data, order, first)
    if _ORIENTATION in entries:
        _set(data, order, entries[_ORIENTATION], orientation)
    if size is not None and _EXIF_IFD in entries:
        inner, _ = _entries(data, order, _value(data, order, entries[_EXIF_IFD]))
        for tag, side in zip((_WIDTH, _HEIGHT), size, strict=True):
            if tag in inner:
                _set(data, order, inner[tag], side)
    second = struct.unpack_from(order + "I", data, after)[0]
    struct.pack_into(order + "I", data, after, 0)
    if second:
        thumbnail, end = _entries(data, order, second)
        for offset, length in _THUMBNAIL:
            if offset in thumbnail and length in thumbnail:
                start, count = (_value(data, order, thumbnail[tag]) for tag in (offset, length))
                if start + count > len(data):
                    raise Damaged("the thumbnail lies outside")
                data[start : start + count] = bytes(count)
        data[second:end] = bytes(end - second)


def _entries(data: bytearray, order: str, place: int) -> tuple[dict[int, int], int]:
    """Offset of every entry of a directory by its tag, and where the pointer to the next directory lies."""
    count = struct.unpack_from(order + "H", data, place)[0]
    end = place + 2 + 12 * count
    if end + 4 > len(data):
        raise Damaged("a directory reaches beyond the end")
    entries = {}
    for k in range(count):
        entry = place + 2 + 12 * k
        tag, kind, values = struct.unpack_from(order + "HHI", data, entry)
        beyond = _SIZES.get(kind, 1) * values
        if beyond > 4 and struct.unpack_from(order + "I", data, entry + 8)[0] + beyond > len(data):
            raise Damaged(f"tag {tag:#x} lies outside")
        entries[tag] = entry
    return entries, end


def _value(data: bytearray, order: str, entry: int) -> int:
    kind = struct.unpack_from(order + "H", data, entry + 2)[0]
    return int(struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)[0])


def _set(data: bytearray, order: str, entry: int, value: int) -> None:
    kind, count = struct.unpack_from(order + "HI", data, entry + 2)
    if count == 1 and kind == 3 and value < 65536:
        struct.pack_into(order + "H", data, entry + 8, value)
    elif count == 1 and kind == 4:
        struct.pack_into(order + "I", data, entry + 8, value)


def _without_previews(data: bytearray) -> None:
    """Zero every JPEG inside, such as the preview in a maker note."""
    start = data.find(_JPEG)
    while start >= 0:
        end = data.find(_END, start)
        end = len(data) if end < 0 else end + 2
        data[start:end] = bytes(end - start)
        start = data.find(_JPEG)
