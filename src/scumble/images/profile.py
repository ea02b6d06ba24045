"""Color profiles: pixels stay in the picture's own space, models see sRGB."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from PIL import Image, ImageCms

__all__ = ["Profile", "converted", "profile_of"]

_NEARLY = 2
"""Largest difference of 255 at which a profile is taken for sRGB."""
_STEPS = tuple(round(k * 63.75) for k in range(5))


@dataclass(frozen=True)
class Profile:
    """A profile of RGB pictures that differs from sRGB.

    Attributes:
        icc: The profile.
        name: What it calls itself.
    """

    icc: bytes
    name: str

    @cached_property
    def _ways(self) -> tuple[Any, Any]:
        embedded, common = _read(self.icc), ImageCms.createProfile("sRGB")
        return _transform(embedded, common), _transform(common, embedded)

    def to_srgb(self, image: Image.Image) -> Image.Image:
        """Return an RGB picture of this space in sRGB (relative colorimetric, black point compensated)."""
        return _applied(image, self._ways[0])

    def from_srgb(self, image: Image.Image) -> Image.Image:
        """Return an sRGB picture in this space."""
        return _applied(image, self._ways[1])


def profile_of(icc: bytes | None) -> Profile | None:
    """Return the profile to convert with, or None where the pixels are sRGB to within two levels, or it is unusable."""
    if not icc:
        return None
    try:
        profile = Profile(icc, ImageCms.getProfileDescription(_read(icc)).strip())
        colors = np.array(list(product(_STEPS, repeat=3)), np.uint8)[None]
        there = np.asarray(profile.to_srgb(Image.fromarray(colors)), np.int16)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    return profile if int(np.abs(there - colors).max()) > _NEARLY else None


def converted(image: Image.Image) -> tuple[Image.Image, str | None]:
    """Return a grey, CMYK, LAB or YCbCr picture in sRGB by its own profile, and a notice.

    A grey picture whose profile changes no level by more than two stays as it is, as does everything that is RGB.
    """
    icc = image.info.get("icc_profile")
    if image.mode == "CMYK" and not icc:
        return image, "CMYK without a profile: colors may differ; the result is RGB"
    if image.mode == "LAB":
        source = ImageCms.createProfile("LAB") if not icc else _read(icc)
        return _by(image, source), "LAB was converted; the result is RGB"
    if not icc or image.mode not in ("L", "LA", "CMYK", "YCbCr"):
        return image, None
    alpha = image.getchannel("A") if image.mode == "LA" else None
    plain = image.convert("L") if image.mode == "LA" else image
    try:
        there = _by(plain, _read(icc))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image, f"the color profile cannot be used for {image.mode}: colors may differ"
    if plain.mode == "L":
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        moved = np.abs(np.asarray(_by(ramp, _read(icc)), np.int16) - np.asarray(ramp, np.int16)[..., None])
        if int(moved.max()) <= _NEARLY:
            return image, None
    if alpha is not None:
        there.putalpha(alpha)
    return there, f"the colors were converted from {image.mode} by the picture's profile; the result is sRGB"


def _by(image: Image.Image, profile: Any) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    how, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    there = ImageCms.profileToProfile(image, profile, srgb, renderingIntent=how, outputMode="RGB", flags=flags) or image
    there.info = {}
    return there


def _read(icc: bytes) -> Any:
    return ImageCms.getOpenProfile(io.BytesIO(icc))


def _transform(source: Any, target: Any) -> Any:
    how, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(source, target, "RGB", "RGB", renderingIntent=how, flags=flags)


def _applied(image: Image.Image, transform: Any) -> Image.Image:
    there = ImageCms.applyTransform(image, transform) or image  # None where it was done in place, which it is not
    there.info = dict(image.info)
    return there
