"""What goes into one run of a method: a window of the picture and of its map, as the model sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scumble.editing.places import Place
from scumble.editing.windows import Part
from scumble.images import Window, latent_map, to_image
from scumble.images.profile import Profile, profile_of
from scumble.models.base import Model

__all__ = ["Prepared", "prepare", "profile_in"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Prepared:
    """The input of one run.

    Attributes:
        window: Which part of the picture it is, and how it came to the model's size.
        pixels: The untouched part (h, w, 3), in the picture's own colors; None: there is no picture.
        change: The change map in it (1 or B, 1, h, w), or None.
        own: The part at the model's size (1, 3, H, W) in [-1, 1], in the picture's own colors.
        image: The same as the model sees it, in sRGB, where the model runs.
        small_change: The change map at the model's size (1 or B, 1, H, W), where the model runs.
        profile: The picture's profile, where it differs from sRGB.
        fresh: (h, w), where the picture was filled in and is no source of detail; or None.
        notices: One-line remarks.
        places: Where words hold, at the model's size.
    """

    window: Window
    pixels: Pixels | None = None
    change: Tensor | None = None
    own: Tensor | None = None
    image: Tensor | None = None
    small_change: Tensor | None = None
    profile: Profile | None = None
    fresh: npt.NDArray[np.bool_] | None = None
    notices: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()


def prepare(
    model: Model,
    part: Part,
    pixels: Pixels,
    profile: Profile | None = None,
    fresh: npt.NDArray[np.bool_] | None = None,
    places: tuple[Place, ...] = (),
) -> Prepared:
    """Bring a part of a picture to the model.

    Args:
        model: The model.
        part: The window and its map.
        pixels: The picture's pixels in the window's box (h, w, 3).
        profile: Their profile; None: sRGB.
        fresh: (h, w), where they were filled in.
        places: Where words hold, at the model's size.
    """
    window = part.window.within()
    own = window.apply_pixels(pixels)
    image = own if profile is None else _in_srgb(own, profile)
    small, notices = None, []
    if part.change is not None:
        small = window.apply_map(part.change)
        if bool(part.change.any()) and _is_thin(part, model.factor):
            small = F.interpolate(latent_map(small, model.factor, "max"), scale_factor=model.factor, mode="nearest")
            notices.append(
                f"the region is smaller than one cell of the model ({model.factor} px): the model changed the cell,"
                " the map decided what was taken"
            )
        small = small.to(model.device)
    image = image.to(model.device)
    return Prepared(part.window, pixels, part.change, own, image, small, profile, fresh, tuple(notices), places)


def profile_in(image: Image.Image) -> Profile | None:
    """The profile of a loaded picture, where it differs from sRGB."""
    return profile_of(image.info.get("icc_profile"))


def _is_thin(part: Part, factor: int) -> bool:
    width, height = part.box[2] - part.box[0], part.box[3] - part.box[1]
    return factor > 1 and max(width, height) < factor * part.window.scale


def _in_srgb(own: Tensor, profile: Profile) -> Tensor:
    there = np.asarray(profile.to_srgb(to_image(own)[0]), np.float32)
    return torch.from_numpy(there / np.float32(127.5) - np.float32(1.0)).permute(2, 0, 1)[None].contiguous()
