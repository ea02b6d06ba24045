"""Color profiles written here: a matrix and a curve are all that an RGB profile needs."""

from __future__ import annotations

import struct

__all__ = ["display_p3", "grey_gamma"]

_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def display_p3() -> bytes:
    """Display P3 with the sRGB curve (columns of the matrix adapted to D50)."""
    tags = {b"desc": _text("Display P3"), b"cprt": _text("none"), b"wtpt": _xyz((0.9642, 1.0, 0.8249))}
    tags |= {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _P3, strict=True)}
    curve = (
        b"para"
        + bytes(4)
        + struct.pack(">HH", 3, 0)
        + b"".join(map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    )
    return _profile(b"RGB ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def grey_gamma(gamma: float) -> bytes:
    """A grey profile with a gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {b"desc": _text("Grey"), b"cprt": _text("none"), b"wtpt": _xyz((0.9642, 1.0, 0.8249)), b"kTRC": curve}
    return _profile(b"GRAY", tags)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value
    body = struct.pack(">I", len(tags)) + table + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(_fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + body


def _text(text: str) -> bytes:
    data = text.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(data)) + data + bytes(78)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
