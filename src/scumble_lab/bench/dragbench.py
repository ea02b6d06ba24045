"""DragBench (arXiv 2306.14435): its samples, the mean distance of dragged points, and the fidelity to the picture."""

from __future__ import annotations

import io
import math

# The benchmark is published as pickles, and there is no other copy of its points and masks. A pickle can run any
# code that it names, so this file, and no other, reads them with an unpickler that knows numpy arrays and nothing else.
import pickle
import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scumble.errors import InputError
from scumble.methods.drag.arrival import nearest_features
from scumble.methods.drag.supervision import FeatureGrid
from scumble.untrusted import printable

__all__ = [
    "DragSample", "dragged_points", "read_points", "read_sample",
    "sample_files",
]  # fmt: skip

ALLOWED = {
    (f"{package}.{module}", name)
    for package in ("numpy.core", "numpy._core")
    for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
"""What arrays and numbers of numpy are made of; lists, texts and dictionaries need no name."""

MOST_BYTES, MOST = 64_000_000, 1 << 31
"""Bytes of a pickle, and size of a number in it."""

Features = Callable[[Image.Image, str], Tensor]
"""Given a picture and what it shows, features (C, h, w) of any resolution."""


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            asked = printable(f"{module}.{name}")[:100]
            raise InputError(f"the point data asks for {asked}, which has no business there: refused")
        # arrays begin empty, and get their values with their shape: nobody orders one that is only large
        if name in ("ndarray", "_reconstruct"):
            return _ARRAY if name == "ndarray" else _empty_array
        return super().find_class(module, name)


_ARRAY = object()
"""Stands for the class of arrays, which a pickle may name and not call."""


def _empty_array(kind: object, shape: tuple[int, ...], typecode: bytes) -> npt.NDArray[Any]:
    if kind is not _ARRAY or tuple(shape) != (0,):
        raise InputError("the point data orders an array without values: refused")
    return np.empty(0, np.int8)


@dataclass(frozen=True)
class DragSample:
    """One picture of the benchmark with its drags.

    Attributes:
        name: ``category/sample``.
        path: The picture.
        prompt: What it shows.
        points: Pairs as x, y, x, y in pixels.
        mask: (H, W) bool, where it may change.
    """

    name: str
    path: Path
    prompt: str
    points: tuple[tuple[float, float, float, float], ...]
    mask: npt.NDArray[np.bool_]


def _refuse_bombs(data: bytes) -> None:
    """Refuse what unpacks to more than its own size: memo places far apart, and numbers without measure."""
    if len(data) > MOST_BYTES:
        raise InputError(f"the point data has {len(data)} bytes, more than any picture's points and mask")
    try:
        for opcode, argument, _ in pickletools.genops(data):
            place = opcode.name in ("PUT", "BINPUT", "LONG_BINPUT")
            if isinstance(argument, int) and abs(argument) > (len(data) if place else MOST):
                raise InputError("the point data names a number that no picture has: refused")
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"the point data is damaged: {type(error).__name__}") from error


def read_points(data: bytes) -> dict[str, Any]:
    """Return what a ``meta_data.pkl`` holds, without running anything that it names.

    Raises:
        InputError: If it is damaged, or names anything but numpy arrays.
    """
    _refuse_bombs(data)
    try:
        record = _Restricted(io.BytesIO(data)).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"the point data is damaged: {type(error).__name__}") from error
    if not isinstance(record, dict) or not {"prompt", "points", "mask"} <= set(record):
        raise InputError("the point data holds no prompt, points and mask")
    return record


def sample_files(folder: str | Path) -> list[Path]:
    """Return the point data of all samples, sorted.

    Raises:
        InputError: If there is none.
    """
    paths = sorted(Path(folder).glob("*/*/meta_data.pkl"))
    if not paths:
        raise InputError(f"{Path(folder).name} holds no DragBench: expected category/sample/meta_data.pkl")
    return paths


def read_sample(file: Path) -> DragSample:
    """Return the sample whose ``meta_data.pkl`` this is.

    Raises:
        InputError: If it cannot be read, or its points or mask are none.
    """
    name = f"{file.parent.parent.name}/{file.parent.name}"
    try:
        about = read_points(file.read_bytes())
        flat = np.asarray(about["points"], dtype=np.float64)
        mask = np.asarray(about["mask"]) > 0
    except (InputError, ValueError, TypeError, OverflowError, OSError) as error:
        raise InputError(f"{name}: {error}") from error
    if not flat.size or flat.size % 4 or not np.isfinite(flat).all() or mask.ndim != 2:
        raise InputError(f"{name}: it needs pairs of points (x, y) and a mask of two dimensions")
    points = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in flat.reshape(-1, 4))
    return DragSample(name, file.parent / "original_image.png", str(about["prompt"]), points, mask)


def dragged_points(
    source: Image.Image,
    result: Image.Image,
    points: Sequence[tuple[float, float, float, float]],
    features: Features,
    prompt: str = "",
) -> list[float]:
    """Return for each pair how far from its target the handle is found in the result, in pixels of the source.

    The nearest feature (cosine) of the whole picture counts, features interpolated bilinearly to its pixels.
    """
    result = result.convert("RGB").resize(source.size, Image.Resampling.BILINEAR)
    size = (source.height, source.width)
    before, after = (FeatureGrid(features(image, prompt).float(), size) for image in (source.convert("RGB"), result))
    arrived = nearest_features(before, after, torch.tensor([[y0, x0] for x0, y0, _, _ in points]).round()).tolist()
    return [math.dist(place, (y1, x1)) for place, (_, _, x1, y1) in zip(arrived, points, strict=True)]
