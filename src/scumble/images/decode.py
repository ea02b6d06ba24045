"""Opening picture files of any kind, and turning every Pillow mode into plain RGB, alpha or grey values."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from scumble.errors import InputError
from scumble.images.camera import developed, is_heif, is_raw, read_heif
from scumble.untrusted import regular_file

__all__ = [
    "Greys",
    "Plane",
    "file_texts",
    "greys",
    "open_file",
    "open_frame",
    "picture_size",
    "quiet",
    "rgb_and_alpha",
    "upright",
]

Plane = npt.NDArray[np.float64]
Greys = tuple[Plane, Plane | None]

MAX_PIXELS = 178_000_000
"""Most pixels of a picture."""
MAX_MAP_PIXELS = 64_000_000
"""Most pixels of a map; it is brought to the picture's size, so more would be lost anyway."""
_BAND = 256
"""Rows of a map that are worked on at once, in double precision."""

_COLOR_PROFILE_MODES = ("RGB", "RGBA", "P")


def open_file(path: str | Path, what: str = "picture") -> Image.Image:
    """Read the picture of a file completely and turn it upright; ``what`` names it in the error.

    Raises InputError for a missing, empty, truncated or unknown file.
    """
    return upright(open_frame(path, what)[0], what)


def open_frame(path: str | Path, what: str = "picture") -> tuple[Image.Image, list[str]]:
    """Read the picture of a file completely, as it lies in the file, and say what was chosen of several.

    Of the pages of a TIFF the largest is taken (others may be previews), of an animation the first frame.
    Raises InputError for a missing, empty, truncated, too large or unknown file.
    """
    path = regular_file(path, f"the {what}")
    if path.stat().st_size == 0:
        raise InputError(f"the {what} {path} is an empty file (0 bytes)")
    if is_raw(path):  # Pillow would take the small preview of a raw file for the picture
        return developed(path)
    try:
        with quiet():
            if is_heif(path):
                read_heif()
            with Image.open(path) as image:
                _refuse_huge(image, what, path.name)
                notices = _choose_frame(image, path.name)
                image.load()
                return image, notices
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"the {what} {path} is not a picture in a known format (PNG, JPEG, WebP, TIFF, …)") from None
    except Image.DecompressionBombError:
        raise InputError(f"the {what} {path} has more pixels than can be edited; make it smaller first") from None
    except Exception as error:  # a decoder may raise anything at all on damaged bytes
        raise InputError(f"the {what} {path} cannot be read: {error}") from error


def _refuse_huge(image: Image.Image, what: str, name: str) -> None:
    """Before anything is decoded: a few kilobytes may unpack to gigabytes."""
    most = MAX_MAP_PIXELS if what == "map" else MAX_PIXELS
    if image.width * image.height > most:
        raise InputError(
            f"the {what} {name} is {image.width}x{image.height}: more than {most // 1_000_000} million pixels;"
            " make it smaller first"
        )


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) as a file's header says, without decoding it; None where it is no picture."""
    try:
        with quiet(), Image.open(path) as image:
            return image.size
    except Exception:  # a decoder may raise anything at all on damaged bytes
        return None


def file_texts(path: str | Path) -> dict[str, str]:
    """Return the texts that a picture's file carries; those before its pixels without decoding them.

    Raises InputError as :func:`open_file` does.
    """
    path = regular_file(path, "the picture")
    try:
        with quiet(), Image.open(path) as image:
            info = dict(image.info)
    except Exception:  # whatever is wrong with it, opening it whole says it well
        info = open_file(path).info
    texts = {str(key): value for key, value in info.items() if isinstance(value, str)}
    if not texts and path.suffix.lower() == ".png":  # other programs write them behind the pixels
        texts = {str(key): value for key, value in open_file(path).info.items() if isinstance(value, str)}
    return texts


def _choose_frame(image: Image.Image, name: str) -> list[str]:
    """Go to the frame that is the picture."""
    count = int(getattr(image, "n_frames", 1))
    if count < 2 or image.format == "MPO":  # the other pictures of an MPO are previews and gain maps
        return []
    if image.format != "TIFF":
        return [f"{name} is animated; the first of its {count} frames was taken"]
    sizes = []
    for k in range(count):
        image.seek(k)
        sizes.append(image.size)
    largest = max(sizes, key=lambda size: size[0] * size[1])
    image.seek(sizes.index(largest))
    which = "the first of the largest" if sizes.count(largest) > 1 else "the largest"
    return [f"{name} holds {count} pictures; {which} ({largest[0]}x{largest[1]}) was taken"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Pillow warns of from the user: what matters is told in our own notices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def upright(image: Image.Image, what: str = "picture") -> Image.Image:
    """Return a loaded copy turned the way its EXIF orientation says."""
    try:
        turned = ImageOps.exif_transpose(image)
    except Exception as error:  # lazily opened pictures meet their damaged bytes only here
        raise InputError(f"the {what} cannot be read: {error}") from error
    if 0 in turned.size:
        raise InputError(f"the {what} is {turned.width}x{turned.height}; it has no pixels")
    return turned


def rgb_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Split a picture of any mode into 8-bit RGB and, where it has transparency, 8-bit alpha.

    The RGB keeps nothing of the file's extras but an RGB colour profile, so that colours look the same when saved.
    """
    try:
        rgb, alpha = _split(image)
    except (OSError, ValueError) as error:
        raise InputError(f"a picture in the colour mode {image.mode} cannot be used: {error}") from error
    profile = image.info.get("icc_profile")
    rgb.info = {"icc_profile": profile} if profile and image.mode in _COLOR_PROFILE_MODES else {}
    return rgb, alpha


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode.startswith(("I", "F")):
        grey = Image.fromarray(_deep_grey_to_bytes(image))
        return Image.merge("RGB", (grey, grey, grey)), None
    if image.has_transparency_data:
        both = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return Image.merge("RGB", both.split()[:3]), both.getchannel("A")
    return image.convert("RGB") if image.mode != "RGB" else image.copy(), None


def greys(image: Image.Image) -> Greys:
    """Return Rec. 601 luminance (H,W) and alpha (H,W) or None, float64 in [0,1], without going through 8 bits."""
    if image.mode.startswith(("I", "F")):
        return _deep_grey(image), None
    if image.mode in ("1", "L") and not image.has_transparency_data:
        return np.asarray(image.convert("L")) / np.float64(255), None
    rgb, alpha = rgb_and_alpha(image)
    values = np.empty((rgb.height, rgb.width))
    for top in range(0, rgb.height, _BAND):
        band = np.asarray(rgb.crop((0, top, rgb.width, min(top + _BAND, rgb.height))), np.float64)
        # Integer weights, so that a grey of value v is exactly v / 255.
        values[top : top + _BAND] = band @ np.array([299.0, 587.0, 114.0]) / 255000.0
    return values, None if alpha is None else np.asarray(alpha) / np.float64(255)


def _deep_grey(image: Image.Image) -> Plane:
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        if not np.isfinite(values).all() or values.min() < 0.0 or values.max() > 1.0:
            raise InputError("a floating-point picture needs finite values in [0,1]")
        return values
    if values.min() < 0 or values.max() > 65535:
        raise InputError(
            f"an integer grey picture needs 16-bit values in 0..65535, got {values.min():.0f}..{values.max():.0f}"
        )
    return values / 65535.0


def _deep_grey_to_bytes(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.rint(_deep_grey(image) * 255.0).astype(np.uint8)
