"""XMP carried word for word, but for what is no longer true of an edited picture."""

from __future__ import annotations

import re

__all__ = ["corrected"]

_ORIENTATION = (
    re.compile(rb'(tiff:Orientation\s*=\s*["\'])\d+(["\'])'),
    re.compile(rb"(<tiff:Orientation>\s*)\d+(\s*</tiff:Orientation>)"),
)
_REMOVED = (
    re.compile(rb"<(xmp|xap):Thumbnails\b.*?</\1:Thumbnails>", re.DOTALL),
    re.compile(rb"<(G?Container):Directory\b.*?</\1:Directory>", re.DOTALL),
    re.compile(rb"<(hdrgm|GCamera):(\w+)\b[^>]*?(/>|>.*?</\1:\2>)", re.DOTALL),
    re.compile(rb'\s(hdrgm|GCamera):\w+\s*=\s*("[^"]*"|\'[^\']*\')'),
)
"""Old previews; gain maps and films that lay behind the picture and are not carried: readers would look for them."""


def corrected(xmp: bytes) -> bytes:
    """Return the packet with orientation 1, without previews and without directories of parts that are gone."""
    for pattern in _ORIENTATION:
        xmp = pattern.sub(rb"\g<1>1\g<2>", xmp)
    for pattern in _REMOVED:
        xmp = pattern.sub(b"", xmp)
    return xmp
