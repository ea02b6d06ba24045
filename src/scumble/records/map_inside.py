"""A change map inside the picture that it made: then one file brings everything back but the edited picture."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scumble.errors import InputError
from scumble.untrusted import parse_json

__all__ = ["MAP_KEY", "map_from_text", "text_of_map"]

MAP_KEY = "scumble-map"
MOST_TEXT = 32_000_000
"""Characters of a map inside a picture: photographs' maps with noise in them are better kept as files."""
MOST_MAPS = 64
STEPS: dict[str, tuple[Any, float]] = {"u1": (np.uint8, 255.0), "u2": (np.uint16, 65535.0)}
"""Maps that came from pictures of 8 and 16 bits are kept as such where that loses nothing."""

Strengths = npt.NDArray[np.float32]


def text_of_map(change: Tensor) -> str:
    """Return a change map as text: a line that describes it, and its compressed values.

    Args:
        change: (1 or B, 1, H, W) in [0, 1], 1 = change.

    Raises:
        InputError: If it is too large to be kept inside a picture.
    """
    values = np.ascontiguousarray(change.detach().cpu().numpy().astype(np.float32)[:, 0])
    kind, stored = next(
        ((name, whole) for name in STEPS if (whole := _stepped(values, name)) is not None), ("f4", values)
    )
    packed = base64.b64encode(zlib.compress(stored.tobytes(), 6)).decode("ascii")
    if len(packed) > MOST_TEXT:
        raise InputError("the change map is too large to be kept inside the picture: keep its file instead")
    return json.dumps({"type": kind, "shape": list(values.shape)}) + "\n" + packed


def map_from_text(text: str, size: tuple[int, int], what: str) -> list[Strengths]:
    """Return the maps (H, W) that a picture holds, one or one for each candidate.

    Nothing is unpacked beyond what the picture's size allows.

    Args:
        text: As in the picture.
        size: Width and height of the picture.
        what: Names it in the error.

    Raises:
        InputError: If it is damaged, or of another size.
    """
    head, _, packed = text.partition("\n")
    about = parse_json(head, what)
    stated: dict[str, Any] = {"shape": None, "type": None, **(about if isinstance(about, dict) else {})}
    shape, kind = stated["shape"], stated["type"]
    fits = isinstance(shape, list) and len(shape) == 3 and shape[1:] == [size[1], size[0]]
    if not fits or not isinstance(shape[0], int) or not 1 <= shape[0] <= MOST_MAPS or kind not in (*STEPS, "f4"):
        raise InputError(f"{what} is damaged: it is no map of {size[0]}x{size[1]}")
    dtype: Any = STEPS[kind][0] if kind in STEPS else np.float32
    length = int(np.prod(shape)) * np.dtype(dtype).itemsize
    try:
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.b64decode(packed, validate=True), length + 1)
    except (ValueError, zlib.error) as error:
        raise InputError(f"{what} is damaged: {error}") from error
    if len(data) != length:
        raise InputError(f"{what} is damaged: it has not as many values as it says")
    values = np.frombuffer(data, dtype).reshape(shape)
    strengths = _strengths(values, kind) if kind in STEPS else values
    if not np.isfinite(strengths).all() or strengths.min() < 0 or strengths.max() > 1:
        raise InputError(f"{what} is damaged: its values are not from 0 to 1")
    return list(strengths)


def _stepped(values: Strengths, kind: str) -> npt.NDArray[Any] | None:
    """The values in whole steps, or None where they are no such steps to the last bit."""
    dtype, most = STEPS[kind]
    whole = np.rint(values.astype(np.float64) * most).astype(dtype)
    return whole if np.array_equal(_strengths(whole, kind), values) else None


def _strengths(whole: npt.NDArray[Any], kind: str) -> Strengths:
    return (whole.astype(np.float64) / STEPS[kind][1]).astype(np.float32)
