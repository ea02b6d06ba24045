"""The input of one run: a window of the image and of its map, as the model sees them."""

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

__all__ = ["Original", "Prepared", "prepare", "profile_in"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Original:
    """A part of a picture that is to be edited, or from which the result's detail comes.

    Attributes:
        pixels: At the picture's size (h, w, 3), in the picture's own colors.
        reduced: At the model's size (1, 3, H, W) in [-1, 1], in the picture's own colors.
        image: The same as the model sees it, in sRGB, where the model runs.
        fresh: (h, w), where it was filled in and is no source of detail; or None.
    """

    pixels: Pixels
    reduced: Tensor
    image: Tensor
    fresh: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Prepared:
    """The input of one run.

    Attributes:
        window: Which part of the picture it is, and how it came to the model's size.
        original: The untouched part; None: there is no picture.
        change: The change map in it (1 or B, 1, h, w), or None.
        small_change: The change map at the model's size (1 or B, 1, H, W), where the model runs.
        profile: The picture's profile, where it differs from sRGB.
        notices: One-line remarks.
        places: Where words hold, at the model's size.
    """

    window: Window
    original: Original | None = None
    change: Tensor | None = None
    small_change: Tensor | None = None
    profile: Profile | None = None
    notices: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()

    @property
    def image(self) -> Tensor | None:
        """The part as the model sees it (1, 3, H, W), or None."""
        return None if self.original is None else self.original.image


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
    reduced = window.apply_pixels(pixels)
    image = reduced if profile is None else _in_srgb(reduced, profile)
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
    original = Original(pixels, reduced, image.to(model.device), fresh)
    return Prepared(part.window, original, part.change, small, profile, tuple(notices), places)


def profile_in(image: Image.Image) -> Profile | None:
    """The profile of a loaded picture, where it differs from sRGB."""
    return profile_of(image.info.get("icc_profile"))


def _is_thin(part: Part, factor: int) -> bool:
    width, height = part.box[2] - part.box[0], part.box[3] - part.box[1]
    return factor > 1 and max(width, height) < factor * part.window.scale


def _in_srgb(reduced: Tensor, profile: Profile) -> Tensor:
    there = np.asarray(profile.to_srgb(to_image(reduced)[0]), np.float32)
    return torch.from_numpy(there / np.float32(127.5) - np.float32(1.0)).permute(2, 0, 1)[None].contiguous()
