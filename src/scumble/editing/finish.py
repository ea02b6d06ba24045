"""Model output brought to pixels at the image's size: surviving detail, the border, the paste."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scumble.editing.prepared import Original, Prepared
from scumble.images import paste, to_image
from scumble.images.border import match_border
from scumble.images.residual import LARGE, Plane, Surviving, restored, surviving
from scumble.images.window import Window
from scumble.records.view import View

__all__ = ["finished"]

Pixels = npt.NDArray[np.uint8]


def finished(
    decoded: Tensor,
    prepared: Prepared,
    original: Original,
    rebuilt: Tensor | None,
    view: View,
    strength: float,
    index: int,
    feather: int,
    enforce: bool = True,
    detail: Original | None = None,
) -> tuple[Pixels, float]:
    """Return a candidate at the picture's size (h, w, 3) in the picture's colors, and how much its border was moved.

    Args:
        decoded: What the model made (1, 3, H, W) in [-1, 1], on the CPU.
        prepared: What went in.
        original: The untouched part of it.
        rebuilt: What the model makes of the untouched window (1, 3, H, W); None: no detail is brought back.
        view: How the edit looks at the picture.
        strength: How much of everything is redrawn; where the map is weaker, the map counts.
        index: Which candidate it is, where each has its own map.
        feather: Pixels over which it fades in.
        enforce: Whether the map has the last word.
        detail: What the detail comes from where it is not the picture itself: the picture pulled along points.
    """
    window = prepared.window.within()
    change = _of(prepared.change, index)
    if rebuilt is None:
        image = to_image(window.undo(decoded))[0]
        result, moved = np.asarray(image if prepared.profile is None else prepared.profile.from_srgb(image)), 0.0
    else:
        result, moved = _with_detail(decoded, prepared, original, rebuilt, view, strength, index, window, detail)
    if change is None or not enforce:
        return np.ascontiguousarray(result), moved
    source = Image.fromarray(original.pixels)
    return np.asarray(paste(result, source, change, feather, fade=view.fade)), moved


def _with_detail(
    decoded: Tensor,
    prepared: Prepared,
    original: Original,
    rebuilt: Tensor,
    view: View,
    strength: float,
    index: int,
    window: Window,
    detail: Original | None,
) -> tuple[Pixels, float]:
    edited, again = (_plane(window.unpadded(one), prepared) for one in (decoded, rebuilt))
    source = detail or original
    pixels, small, fresh = source.pixels, _unit(window.unpadded(source.reduced)), source.fresh
    inside = _of(prepared.small_change, index)
    local: Plane | float = strength
    if inside is not None and detail is None:
        local = np.minimum(window.unpadded(inside.cpu())[0, 0].numpy(), np.float32(strength))
    changed = pixels.shape[0] * pixels.shape[1]
    coarse = None if fresh is None else _shrunk(fresh, small.shape[:2])
    part = surviving(edited, again, small, local, coarse, mixing=changed <= LARGE)
    moved = 0.0
    if view.match_border and inside is not None:
        where = window.unpadded(inside.cpu())[0, 0].numpy() > 0
        untouched = _unit(window.unpadded(original.reduced))
        settled, moved = match_border(part.settled, untouched, where)
        part = Surviving(settled, part.gain)
    return restored(part, small, pixels), moved


def _plane(image: Tensor, prepared: Prepared) -> Plane:
    """(1, 3, h, w) in [-1, 1], sRGB -> (h, w, 3) in [0, 1], in the picture's own colors."""
    if prepared.profile is None:
        return _unit(image)
    there = prepared.profile.from_srgb(to_image(image)[0])
    return np.asarray(there, np.float32) / np.float32(255.0)


def _unit(image: Tensor) -> Plane:
    values = ((image.detach().cpu().float() + 1.0) * 0.5).clamp(0.0, 1.0)
    return np.ascontiguousarray(values[0].permute(1, 2, 0).numpy())


def _of(change: Tensor | None, index: int) -> Tensor | None:
    return change if change is None or change.shape[0] == 1 else change[index : index + 1]


def _shrunk(where: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    if where.shape == tuple(shape):
        return where
    tensor = torch.from_numpy(where.astype(np.float32))[None, None]
    return torch.nn.functional.adaptive_max_pool2d(tensor, tuple(shape))[0, 0].numpy() > 0
