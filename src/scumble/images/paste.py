"""Locality: putting an edit into its source so that every pixel with map 0 keeps its exact bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scumble.errors import InputError
from scumble.images.distance import distance_to

__all__ = ["paste"]


def paste(result: Tensor | Image.Image, source: Image.Image, change_map: Tensor, feather: int = 0) -> Image.Image:
    """Return the source where the map is 0, byte for byte, and the result everywhere else.

    ``result`` is uint8 (3,H,W) or (1,3,H,W), or a picture; ``change_map`` is (H,W), (1,H,W) or (1,1,H,W). With
    ``feather`` the result fades in smoothly over that many pixels inside the region that may change. The source's
    colour profile is kept. Raises InputError when the sizes differ.
    """
    before = np.asarray(source.convert("RGB"))
    after = _pixels(result)
    strength = change_map.detach().cpu().numpy().reshape(change_map.shape[-2:])
    if not before.shape[:2] == after.shape[:2] == strength.shape:
        sizes = ", ".join(f"{name} {a.shape[1]}x{a.shape[0]}" for name, a in _named(before, after, strength))
        raise InputError(f"source, result and map must have one size, got {sizes}")
    if feather < 0:
        raise InputError(f"feather must be 0 or more pixels, got {feather}")
    keep = strength <= 0.0
    if feather > 0:
        ramp = np.clip(distance_to(keep, feather) / (feather + 1), 0.0, 1.0)
        opacity = (ramp * ramp * (3.0 - 2.0 * ramp))[..., None]
        after = np.rint(before + opacity * (after.astype(np.float64) - before)).astype(np.uint8)
    pasted = Image.fromarray(np.where(keep[..., None], before, after))
    if "icc_profile" in source.info:
        pasted.info["icc_profile"] = source.info["icc_profile"]
    return pasted


def _pixels(result: Tensor | Image.Image) -> npt.NDArray[np.uint8]:
    if isinstance(result, Image.Image):
        return np.asarray(result.convert("RGB"))
    rows = result[0] if result.ndim == 4 and len(result) == 1 else result
    if rows.dtype != torch.uint8 or rows.ndim != 3 or rows.shape[0] != 3:
        raise InputError(f"a result to paste must be uint8 (3,H,W), got {result.dtype} {tuple(result.shape)}")
    return np.asarray(rows.cpu().permute(1, 2, 0).numpy())


def _named(*arrays: npt.NDArray[np.uint8]) -> zip[tuple[str, npt.NDArray[np.uint8]]]:
    return zip(("source", "result", "map"), arrays, strict=True)
