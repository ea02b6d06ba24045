"""Bringing a picture to a size that the model can take, and the result back to the picture's own size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scumble.errors import InputError, nearest

__all__ = ["Fit", "FitMode", "fit"]

FitMode = Literal["auto", "pad", "resize"]

_NEAR_NATIVE = (0.75, 1.5)  # short sides, in units of the trained side, that need no resizing
_LONGEST = 4.0  # cap on the long side, in units of the trained side


@dataclass(frozen=True)
class Fit:
    """How a picture comes to the model's size: first scaled, then padded by reflection at the right and bottom.

    All are (width, height): ``original`` is the picture's, ``scaled`` after resizing, ``size`` what the model sees.
    """

    original: tuple[int, int]
    scaled: tuple[int, int]
    size: tuple[int, int]

    @property
    def changes_nothing(self) -> bool:
        """Whether the model sees the picture exactly as it is."""
        return self.original == self.scaled == self.size

    def describe(self) -> str:
        """Say in one line what happens, e.g. ``500x300 padded to 504x304``."""
        text = "x".join(map(str, self.original))
        if self.scaled != self.original:
            text += " resized to " + "x".join(map(str, self.scaled))
        if self.size != self.scaled:
            text += " padded to " + "x".join(map(str, self.size))
        return text

    def apply(self, image: Tensor) -> Tensor:
        """(B,C,H,W) in [-1,1] at the picture's size -> the model's size; Lanczos, kept in [-1,1]."""
        self._check(image, self.original)
        if self.scaled != self.original:
            image = _lanczos(image, self.scaled).clamp(-1.0, 1.0)
        return _reflect(image, self.size)

    def apply_map(self, change_map: Tensor) -> Tensor:
        """(B,1,H,W) in [0,1] at the picture's size -> the model's size.

        Shrinking takes the mean of the area, so that thin lines keep a positive value. The padding reflects the map
        as it reflects the picture: what the model sees beyond the edge agrees with what it sees before it.
        """
        self._check(change_map, self.original)
        if self.scaled != self.original:
            shape = (self.scaled[1], self.scaled[0])
            shrinks = self.scaled[0] <= self.original[0] and self.scaled[1] <= self.original[1]
            how: dict[str, Any] = {"mode": "area"} if shrinks else {"mode": "bilinear", "align_corners": False}
            # float64: the mean of equal values must be that value to the last bit.
            change_map = F.interpolate(change_map.double(), size=shape, **how).to(change_map.dtype)
        return _reflect(change_map, self.size)

    def undo(self, image: Tensor) -> Tensor:
        """(B,C,H,W) at the model's size -> the picture's size: padding cut off, scaled back with Lanczos."""
        self._check(image, self.size)
        image = image[..., : self.scaled[1], : self.scaled[0]]
        return image if self.scaled == self.original else _lanczos(image, self.original)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Pixel coordinates in the picture (centre of the first pixel = 0) -> at the model's size."""
        across, down = (there / here for there, here in zip(self.scaled, self.original, strict=True))
        return (x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5

    @staticmethod
    def _check(tensor: Tensor, size: tuple[int, int]) -> None:
        if tuple(tensor.shape[-2:]) != (size[1], size[0]):
            got = f"{tensor.shape[-1]}x{tensor.shape[-2]}"
            raise InputError(f"a tensor of {got} pixels was given where {size[0]}x{size[1]} is expected")


def fit(width: int, height: int, multiple: int = 1, native: int | None = None, mode: FitMode = "auto") -> Fit:
    """Choose how a picture of this size goes through a model whose sides must be multiples of ``multiple``.

    ``native`` is the side of the pictures that the model was trained on. ``resize`` scales so that the shorter side
    is ``native`` (the longer at most four times that, unless the shorter would shrink below ``multiple``), keeping
    the aspect; ``pad`` never scales; ``auto`` scales only when the shorter side is outside 0.75 to 1.5 times
    ``native`` or the longer beyond four times. All modes pad.
    """
    if mode not in get_args(FitMode):
        raise InputError(f"{mode!r} is not one of {', '.join(get_args(FitMode))}{nearest(mode, get_args(FitMode))}")
    if min(width, height, multiple) < 1 or (native is not None and native < 1):
        raise InputError(f"sizes must be at least 1, got {width}x{height}, multiple {multiple}, native {native}")
    original = scaled = (width, height)
    if native is not None and mode != "pad":
        short, long = min(original) / native, max(original) / native
        fits = _NEAR_NATIVE[0] <= short <= _NEAR_NATIVE[1] and long <= _LONGEST
        if mode == "resize" or not fits:
            scale = max(min(1.0 / short, _LONGEST / long), min(1.0, multiple / min(original)))
            scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
    size = (-(-scaled[0] // multiple) * multiple, -(-scaled[1] // multiple) * multiple)
    return Fit(original, scaled, size)


def _reflect(tensor: Tensor, size: tuple[int, int]) -> Tensor:
    """Pad right and bottom; reflects to and fro as often as it takes, so that any picture can be padded to any size."""
    for dim, total in ((-1, size[0]), (-2, size[1])):
        here = tensor.shape[dim]
        if here != total:
            place = torch.arange(total, device=tensor.device)
            period = max(2 * (here - 1), 1)
            place = place % period
            tensor = tensor.index_select(dim, torch.minimum(place, period - place).clamp(max=here - 1))
    return tensor


def _lanczos(tensor: Tensor, size: tuple[int, int]) -> Tensor:
    """(B,C,H,W) -> (B,C,height,width), plane by plane with Pillow's antialiased Lanczos in float32 on the CPU."""
    planes = tensor.detach().to("cpu", torch.float32).flatten(0, 1)
    resized = [np.array(Image.fromarray(p.numpy()).resize(size, Image.Resampling.LANCZOS)) for p in planes]
    return torch.from_numpy(np.stack(resized)).unflatten(0, tensor.shape[:2]).to(tensor.device, tensor.dtype)
