"""Metadata of an image file: read from the input, corrected, and given to the output."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from scumble.images.deep import Deep, read_deep
from scumble.images.exif import Damaged, patched
from scumble.images.xmp import corrected

__all__ = ["Carried", "options_for", "read_carried"]

_CHUNKS = (b"gAMA", b"cHRM", b"cICP")
_HDR = (16, 18)
_SEGMENT = 65_000
"""Most bytes of EXIF or XMP that a JPEG can take."""
_TIFF_TAGS = (270, 271, 272, 305, 306, 315, 33432)  # description, maker, camera, software, date, artist, copyright
_SUB_IFDS = (0x8769, 0x8825)  # exposure and so on; GPS
_GPS = 0x8825
_XMP = 700


@dataclass(frozen=True)
class Carried:
    """What goes from the edited file into the result.

    Attributes:
        format: Pillow's name of the file's format, or "" for pictures that come from no file.
        exif: EXIF without the prefix of a JPEG segment; upright, without thumbnail.
        xmp: The XMP packet, corrected.
        icc: The color profile of the pixels.
        dpi: Dots per inch.
        chunks: PNG chunks about color that are not interpreted.
        orientation: How the picture lay in the file.
        left_out: What is not carried, in words.
        notices: Remarks about how the file was read.
        deep: The sixteen bits of its pixels, where it has them and the packages that read them are installed.
    """

    format: str = ""
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    orientation: int = 1
    left_out: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    deep: Deep | None = field(default=None, compare=False, repr=False)

    def stripped(self) -> Carried:
        """Nothing but what the colors need."""
        return replace(self, exif=None, xmp=None, dpi=None, left_out=())

    def resized(self, size: tuple[int, int]) -> Carried:
        """The same for a picture of another size."""
        return self if self.exif is None else replace(self, exif=patched(self.exif, size))

    def describe(self) -> str | None:
        """Say in one line what is carried and what is left out; None for nothing of either."""
        names = []
        if self.exif is not None:
            names.append("EXIF with GPS position" if _has_gps(self.exif) else "EXIF")
        names += ["XMP"] if self.xmp else []
        names += [f"{self.dpi[0]:.0f} dpi"] if self.dpi else []
        if not names and not self.left_out:
            return None
        names += ["profile"] if self.icc else []
        text = f"carried: {', '.join(names)}" if names else "carried: nothing"
        if self.left_out:
            text += f"; left out: {', '.join(self.left_out)}"
        return f"{text}; --strip leaves all out" if names else text


def read_carried(image: Image.Image, path: Path | None) -> Carried:
    """Read what is to be carried from a picture as it lies in its file.

    Args:
        image: The loaded frame, not turned yet.
        path: Its file, or None.
    """
    notices: list[str] = []
    left_out: list[str] = []
    orientation = _orientation(image)
    raw = _raw_exif(image)
    exif = None
    if raw is not None:
        try:
            exif = patched(raw, image.size[::-1] if orientation >= 5 else None)
            if len(exif) == len(raw.removeprefix(b"Exif\0\0")) and b"\xff\xd8\xff" in raw:
                left_out.append("thumbnail")
        except Damaged:
            notices.append("EXIF was damaged and is left out")
    xmp = image.info.get("xmp") or _tiff_xmp(image)
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    if image.info.get("photoshop"):
        left_out.append("IPTC")
    if xmp and b"hdrgm:" in xmp:
        notices.append("the HDR gain map was left out: the picture shows its standard brightness everywhere")
    deep = None
    if _is_deep(image, path):
        deep = None if path is None else read_deep(path, image.format or "", orientation)
        if deep is None:
            notices.append(f"the picture has 16 bits per channel; the upper 8 were used and written{_hint(image)}")
    chunks = _color_chunks(path) if image.format == "PNG" and path is not None else ()
    if any(name == b"cICP" and len(data) > 1 and data[1] in _HDR for name, data in chunks):
        notices.append("the picture is marked as HDR; its values were edited as if they were sRGB")
    return Carried(
        format={"MPO": "JPEG"}.get(image.format or "", image.format or ""),
        exif=exif,
        xmp=corrected(xmp) if xmp else None,
        icc=image.info.get("icc_profile"),
        dpi=_dpi(image),
        chunks=chunks,
        orientation=orientation,
        left_out=tuple(left_out),
        deep=deep,
        notices=tuple(notices),
    )


def options_for(carried: Carried, kind: str, notices: list[str]) -> dict[str, Any]:
    """Return the options with which Pillow writes this into a PNG, JPEG, WEBP or TIFF; what does not fit is told.

    For a PNG they hold ``pnginfo``, to which texts may be added.
    """
    options: dict[str, Any] = {"icc_profile": carried.icc} if carried.icc else {}
    exif, xmp = carried.exif, carried.xmp
    if kind == "JPEG":
        for name, data in (("EXIF", exif), ("XMP", xmp)):
            if data is not None and len(data) > _SEGMENT:
                notices.append(f"{name} is larger than the 64 KB that a JPEG can take and is left out; use .png")
        exif = exif if exif is not None and len(exif) <= _SEGMENT else None
        xmp = xmp if xmp is not None and len(xmp) <= _SEGMENT else None
    if exif is not None:
        options["exif"] = b"Exif\0\0" + exif
    if kind == "PNG":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        for chunk, content in carried.chunks if not carried.icc else ():
            info.add(chunk, content)
        if xmp:
            info.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    elif kind == "TIFF":
        options["compression"] = "raw" if exif is not None else "tiff_adobe_deflate"
        if exif is not None:
            notices.append("TIFF keeps EXIF only uncompressed: the file is larger")
            options["exif"] = tags = Image.Exif()
            tags.load(exif)
            if xmp:
                tags[_XMP] = xmp
        elif xmp:
            options["tiffinfo"] = {_XMP: xmp}
    elif xmp:
        options["xmp"] = xmp
    if carried.dpi and kind != "WEBP":
        options["dpi"] = carried.dpi
    return options


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow turns them while loading
        return 1
    try:
        value = int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF may raise anything
        return 1
    return value if 1 <= value <= 8 else 1


def _raw_exif(image: Image.Image) -> bytes | None:
    if image.format == "TIFF":
        return _tiff_exif(image)
    raw = image.info.get("exif")
    return bytes(raw) if isinstance(raw, bytes | bytearray) and len(raw) > 8 else None


def _tiff_exif(image: Image.Image) -> bytes | None:
    """The descriptive tags of a TIFF: the others are of its own layout."""
    try:
        before, after = image.getexif(), Image.Exif()
        for tag in _TIFF_TAGS:
            if tag in before:
                after[tag] = before[tag]
        for tag in _SUB_IFDS:
            inner = dict(before.get_ifd(tag))
            if inner:
                after[tag] = inner
        return after.tobytes().removeprefix(b"Exif\0\0") if len(after) else None
    except Exception:  # damaged tags may raise anything
        return None


def _tiff_xmp(image: Image.Image) -> bytes | None:
    tags = getattr(image, "tag_v2", None)
    value = tags.get(_XMP) if tags is not None else None
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi") or ()
    try:
        across, down = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if across > 1 and down > 1 else None


def _is_deep(image: Image.Image, path: Path | None) -> bool:
    if image.format == "PNG" and path is not None:
        with path.open("rb") as file:
            return file.read(25)[24:25] == b"\x10"
    tags = getattr(image, "tag_v2", None)
    bits = tags.get(258, ()) if tags is not None else ()
    return max(bits if isinstance(bits, tuple) else (bits,), default=8) > 8


def _hint(image: Image.Image) -> str:
    """How to keep the others, where that is only a matter of packages."""
    installed = all(find_spec(name) is not None for name in ("imagecodecs", "tifffile"))
    return (
        ""
        if installed or image.mode.startswith("I")
        else '; pip install "scumble[photos]" keeps 16 where nothing changes'
    )


def _color_chunks(path: Path) -> tuple[tuple[bytes, bytes], ...]:
    """The chunks of a PNG about color that stand before its pixels."""
    chunks = []
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name == b"IDAT":
                break
            data = file.read(min(length, 1 << 16)) if name in _CHUNKS else b""
            if name in _CHUNKS and len(data) == length:
                chunks.append((name, data))
            file.seek(length - len(data) + 4, 1)
    return tuple(chunks)


def _has_gps(exif: bytes) -> bool:
    reader = Image.Exif()
    try:
        reader.load(exif)
        return bool(reader.get_ifd(_GPS))
    except Exception:  # damaged EXIF may raise anything
        return False
