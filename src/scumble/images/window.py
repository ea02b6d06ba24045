"""The part of a picture that a model sees: its box, its scale, its padding, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scumble.errors import InputError

__all__ = ["Box", "Window", "lanczos"]

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are the first column and row outside."""


@dataclass(frozen=True)
class Window:
    """How a part of a picture comes to the model's size: cut out, scaled, padded by reflection at right and bottom.

    Attributes:
        original: (width, height) of the whole picture.
        scaled: (width, height) of the box after resizing.
        size: (width, height) that the model sees.
        box: The part of the picture; all of it by default.
        context: Share of the region's size that was added around it, or None for the whole picture.
    """

    original: tuple[int, int]
    scaled: tuple[int, int]
    size: tuple[int, int]
    box: Box = (0, 0, 0, 0)
    context: float | None = None

    def __post_init__(self) -> None:
        """Turn the default box into the whole picture's."""
        if self.box == (0, 0, 0, 0):
            object.__setattr__(self, "box", (0, 0, *self.original))

    @property
    def box_size(self) -> tuple[int, int]:
        """(width, height) of the box in pixels of the picture."""
        left, top, right, bottom = self.box
        return right - left, bottom - top

    @property
    def is_whole(self) -> bool:
        """Whether the box is the whole picture."""
        return self.box == (0, 0, *self.original)

    @property
    def scale(self) -> float:
        """Pixels of the picture per pixel of the model (sigma): 1 is not scaled, more than 1 is scaled down."""
        return max(there / here for there, here in zip(self.box_size, self.scaled, strict=True))

    def describe(self) -> str:
        """Say in one line what happens, e.g. ``500x300 padded to 504x304``."""
        text = "x".join(map(str, self.original))
        if not self.is_whole:
            left, top, right, bottom = self.box
            text += f" cut to {left},{top}-{right},{bottom}"
        if self.scaled != self.box_size:
            text += " resized to " + "x".join(map(str, self.scaled))
        if self.size != self.scaled:
            text += " padded to " + "x".join(map(str, self.size))
        return text

    def cut(self, tensor: Tensor) -> Tensor:
        """(..., H, W) at the picture's size -> the box's part of it; a view."""
        self._check(tensor, self.original)
        left, top, right, bottom = self.box
        return tensor[..., top:bottom, left:right]

    def apply(self, image: Tensor) -> Tensor:
        """(B,C,H,W) in [-1,1] at the picture's size -> the model's size; Lanczos, clamped to [-1,1]."""
        image = self.cut(image)
        if self.scaled != self.box_size:
            image = lanczos(image, self.scaled).clamp(-1.0, 1.0)
        return _reflect(image, self.size)

    def apply_pixels(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """uint8 (h,w,3) of the box -> (1,3,H,W) in [-1,1] at the model's size, as :meth:`apply`, plane by plane."""
        width, height = self.box_size
        if pixels.shape != (height, width, 3):
            got = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise InputError(f"a picture of {got} pixels was given where {width}x{height} is expected")
        planes = []
        for k in range(3):
            plane = pixels[..., k].astype(np.float32) / np.float32(127.5) - np.float32(1.0)
            if self.scaled != self.box_size:
                small = np.array(Image.fromarray(plane).resize(self.scaled, Image.Resampling.LANCZOS))
                plane = np.clip(small, -1.0, 1.0)
            planes.append(torch.from_numpy(np.ascontiguousarray(plane)))
        return _reflect(torch.stack(planes)[None], self.size)

    def within(self) -> Window:
        """The same window of its box alone: what it takes is already cut out."""
        return replace(self, original=self.box_size, box=(0, 0, *self.box_size))

    def apply_map(self, change_map: Tensor) -> Tensor:
        """(B,1,H,W) in [0,1] at the picture's size -> the model's size.

        Shrinking takes the mean of the area, so that thin lines keep a positive value. The padding reflects the map
        as it reflects the picture: what the model sees beyond the edge agrees with what it sees before it.
        """
        change_map = self.cut(change_map)
        if self.scaled != self.box_size:
            shape = (self.scaled[1], self.scaled[0])
            shrinks = self.scaled[0] <= self.box_size[0] and self.scaled[1] <= self.box_size[1]
            how: dict[str, Any] = {"mode": "area"} if shrinks else {"mode": "bilinear", "align_corners": False}
            # float64: the mean of equal values must be that value to the last bit.
            change_map = F.interpolate(change_map.double(), size=shape, **how).to(change_map.dtype)
        return _reflect(change_map, self.size)

    def undo(self, image: Tensor) -> Tensor:
        """(B,C,H,W) at the model's size -> the box's size in the picture: padding cut off, scaled back with Lanczos."""
        image = self.unpadded(image)
        return image if self.scaled == self.box_size else lanczos(image, self.box_size)

    def unpadded(self, image: Tensor) -> Tensor:
        """(..., H, W) at the model's size -> without its padding."""
        self._check(image, self.size)
        return image[..., : self.scaled[1], : self.scaled[0]]

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Pixel coordinates in the picture (center of the first pixel = 0) -> at the model's size."""
        across, down = (there / here for there, here in zip(self.scaled, self.box_size, strict=True))
        return (x - self.box[0] + 0.5) * across - 0.5, (y - self.box[1] + 0.5) * down - 0.5

    @staticmethod
    def _check(tensor: Tensor, size: tuple[int, int]) -> None:
        if tuple(tensor.shape[-2:]) != (size[1], size[0]):
            got = f"{tensor.shape[-1]}x{tensor.shape[-2]}"
            raise InputError(f"a tensor of {got} pixels was given where {size[0]}x{size[1]} is expected")


def lanczos(tensor: Tensor, size: tuple[int, int]) -> Tensor:
    """(B,C,H,W) -> (B,C,height,width), plane by plane with Pillow's antialiased Lanczos in float32 on the CPU."""
    planes = tensor.detach().to("cpu", torch.float32).flatten(0, 1)
    resized = [np.array(Image.fromarray(p.numpy()).resize(size, Image.Resampling.LANCZOS)) for p in planes]
    return torch.from_numpy(np.stack(resized)).unflatten(0, tensor.shape[:2]).to(tensor.device, tensor.dtype)


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
