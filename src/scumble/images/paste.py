"""Locality: putting an edit into its source so that every pixel with map 0 keeps its exact bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scumble.errors import InputError
from scumble.images.distance import distance_to
from scumble.images.islands import bounding_box
from scumble.images.window import Box

__all__ = ["FADE", "paste", "usual_feather"]

FADE = 0.05
"""Map value up to which a result fades in, so that the step from nothing to the weakest change does not show."""

Pixels = npt.NDArray[np.uint8]


def paste(
    result: Tensor | Image.Image | Pixels,
    source: Image.Image,
    change_map: Tensor,
    feather: int = 0,
    *,
    fade: float = 0.0,
) -> Image.Image:
    """Return the source where the map is 0, byte for byte, and the result everywhere else.

    Args:
        result: uint8 (3,H,W) or (1,3,H,W), an array (H,W,3) or a picture.
        source: The picture; its color profile stays.
        change_map: (H,W), (1,H,W) or (1,1,H,W).
        feather: Pixels over which the result fades in smoothly, inside the region that may change.
        fade: Map value below which the result fades in smoothly too; 0: it does not.

    Raises:
        InputError: When the sizes differ, or feather or fade is negative.
    """
    before = np.asarray(source.convert("RGB"))
    after = _pixels(result)
    strength = change_map.detach().cpu().numpy().reshape(change_map.shape[-2:])
    if not before.shape[:2] == after.shape[:2] == strength.shape:
        sizes = ", ".join(f"{name} {a.shape[1]}x{a.shape[0]}" for name, a in _named(before, after, strength))
        raise InputError(f"source, result and map must have one size, got {sizes}")
    if feather < 0 or fade < 0:
        raise InputError(f"feather and fade must be 0 or more, got {feather} and {fade}")
    picture = before.copy()
    changed = bounding_box(strength > 0.0)
    if changed is not None:
        x0, y0, x1, y1 = _wider(changed, strength.shape)
        inside = (slice(y0, y1), slice(x0, x1))
        picture[inside] = _mixed(before[inside], after[inside], strength[inside], feather, fade)
    pasted = Image.fromarray(picture)
    if "icc_profile" in source.info:
        pasted.info["icc_profile"] = source.info["icc_profile"]
    return pasted


def usual_feather(change_map: Tensor, cell: float) -> int:
    """Return the feather in pixels where none is given: one cell of the model, less where the region is thin.

    Args:
        change_map: (..., H, W) in [0, 1].
        cell: Side of a cell in pixels of the picture.
    """
    strength = change_map.detach().cpu().numpy().reshape(change_map.shape[-2:])
    box = bounding_box(strength > 0.0)
    wanted = round(cell)
    if box is None or wanted < 1:
        return 0
    x0, y0, x1, y1 = _wider(box, strength.shape)
    depth = float(distance_to(strength[y0:y1, x0:x1] <= 0.0, 2 * wanted).max())
    return min(wanted, int(depth / 2))


def _mixed(before: Pixels, after: Pixels, strength: npt.NDArray[Any], feather: int, fade: float) -> Pixels:
    keep = strength <= 0.0
    if feather > 0 or fade > 0:
        opacity = np.ones(keep.shape)
        if feather > 0:
            opacity *= _smooth(distance_to(keep, feather) / (feather + 1))
        if fade > 0:
            opacity *= _smooth(strength.astype(np.float64) / fade)
        solid = opacity >= 1.0
        after = np.where(solid[..., None], after, _blended(before, after, opacity))
    return np.where(keep[..., None], before, after)


def _blended(before: Pixels, after: Pixels, opacity: npt.NDArray[np.float64]) -> Pixels:
    out = np.empty_like(before)
    for k in range(3):  # plane by plane: float copies of a photograph are large
        plane = before[..., k] + opacity * (after[..., k].astype(np.float64) - before[..., k])
        out[..., k] = np.rint(plane).astype(np.uint8)
    return out


def _smooth(ramp: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    ramp = np.clip(ramp, 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)


def _wider(box: Box, shape: tuple[int, ...]) -> Box:
    """The box with one more pixel on every side that has one."""
    return max(box[0] - 1, 0), max(box[1] - 1, 0), min(box[2] + 1, shape[1]), min(box[3] + 1, shape[0])


def _pixels(result: Tensor | Image.Image | Pixels) -> Pixels:
    if isinstance(result, Image.Image):
        return np.asarray(result.convert("RGB"))
    if isinstance(result, np.ndarray):
        rows: Any = result
        if rows.dtype != np.uint8 or rows.ndim != 3 or rows.shape[2] != 3:
            raise InputError(f"a result to paste must be uint8 (H,W,3), got {rows.dtype} {rows.shape}")
        return np.asarray(rows)
    one = result[0] if result.ndim == 4 and len(result) == 1 else result
    if one.dtype != torch.uint8 or one.ndim != 3 or one.shape[0] != 3:
        raise InputError(f"a result to paste must be uint8 (3,H,W), got {result.dtype} {tuple(result.shape)}")
    return np.asarray(one.cpu().permute(1, 2, 0).numpy())


def _named(*arrays: npt.NDArray[Any]) -> zip[tuple[str, npt.NDArray[Any]]]:
    return zip(("source", "result", "map"), arrays, strict=True)
