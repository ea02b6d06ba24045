"""Checking numpy arrays and tensors that are given as pictures or maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scumble.errors import InputError

__all__ = ["as_bytes", "as_unit", "picture_bytes", "to_numpy"]

_ROUNDING = 1e-6  # what interpolation in float32 may leave outside [0,1]


def to_numpy(values: npt.NDArray[Any] | Tensor) -> npt.NDArray[Any]:
    """Return the values as a numpy array; half precisions become float32."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return np.asarray(values.float().numpy() if values.is_floating_point() else values.numpy())
    return values


def as_unit(values: npt.NDArray[Any], what: str) -> npt.NDArray[np.float64]:
    """Return float64 in [0,1] from floats in [0,1], booleans, uint8 or uint16; anything else is refused."""
    if values.size == 0:
        raise InputError(f"the {what} has shape {values.shape}; it has no pixels")
    if values.dtype == np.bool_:
        return values.astype(np.float64)
    if values.dtype in (np.uint8, np.uint16):
        return values.astype(np.float64) / np.iinfo(values.dtype).max
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"the {what} has type {values.dtype}; give floats in [0,1], uint8 or uint16")
    unit = values.astype(np.float64)
    if not np.isfinite(unit).all():
        raise InputError(f"the {what} contains NaN or infinite values")
    low, high = float(unit.min()), float(unit.max())
    if low < -_ROUNDING or high > 1.0 + _ROUNDING:
        raise InputError(f"the {what} has values from {low:.4g} to {high:.4g}; floats must be in [0,1]")
    return np.clip(unit, 0.0, 1.0)


def as_bytes(values: npt.NDArray[Any], what: str) -> npt.NDArray[np.uint8]:
    """Return uint8 as it is, or anything :func:`as_unit` takes, rounded half to even."""
    if values.dtype == np.uint8 and values.size:
        return values
    return np.rint(as_unit(values, what) * 255.0).astype(np.uint8)


def picture_bytes(values: npt.NDArray[Any] | Tensor) -> npt.NDArray[np.uint8]:
    """Return (H,W), (H,W,3) or (H,W,4) uint8 from a picture given as an array or tensor.

    Arrays have channels last. Tensors may have a leading batch of 1, and channels first as is usual in torch
    (a first axis of 1, 3 or 4) or last.
    """
    shape = tuple(values.shape)
    array = to_numpy(values)
    if isinstance(values, Tensor):
        if array.ndim == 4 and array.shape[0] == 1:
            array = array[0]
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[-1] in (3, 4)):
        raise InputError(f"a picture of shape {shape} cannot be used; give (H,W), (H,W,3) or (H,W,4)")
    return np.ascontiguousarray(as_bytes(array, "picture"))
