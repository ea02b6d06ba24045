"""Loading the picture that is to be edited."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from scumble.errors import InputError
from scumble.hashing import sha256
from scumble.images.arrays import picture_bytes
from scumble.images.carried import Carried, read_carried
from scumble.images.decode import open_frame, quiet, rgb_and_alpha, upright
from scumble.images.profile import converted
from scumble.images.save import OWN_KEY, has_own_sidecar
from scumble.images.turn import turned
from scumble.untrusted import name_of

__all__ = ["Picture", "Source", "load_image", "picture_sha256"]

MAX_FILE = 1 << 30
"""Most bytes that are read of an open file."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture: colours and transparency apart, upright, 8 bits per channel.

    ``path_name`` is the file's name without its folder; ``sha256`` is of the decoded colours and the size, so the
    same picture as PNG, array or PIL image has the same one. ``carried`` is what the file holds besides, ``file``
    where it lies, when it was one, and ``has_recipe`` whether an edit of ours made it.
    """

    rgb: Image.Image
    alpha: Image.Image | None
    path_name: str | None
    sha256: str
    carried: Carried = field(default_factory=Carried)
    file: Path | None = None
    has_recipe: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.size

    def with_alpha(self, image: Image.Image) -> Image.Image:
        """Give an edited RGB picture of the same size this picture's transparency, if it has any."""
        if self.alpha is None:
            return image
        both = image.convert("RGBA") if image.mode != "RGB" else image.copy()
        both.putalpha(self.alpha)
        return both


Source = str | Path | bytes | BinaryIO | Image.Image | npt.NDArray[Any] | Tensor | Picture


def load_image(source: Source) -> Picture:
    """Load a picture from a file, its bytes, a PIL image, array or tensor.

    Bytes, and what an open binary file holds (at most ``MAX_FILE`` bytes), count as a file without a name. EXIF
    orientation is honored; palette, grey, 16-bit grey, CMYK and transparent pictures are converted, by their color
    profile where they have one. RGB pictures stay in the space of their profile. Arrays are (H,W), (H,W,3) or (H,W,4),
    uint8 or floats in [0,1]; tensors may have channels first. Raises InputError.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str | Path):
        return _from_file(Path(source))
    if isinstance(source, bytes | bytearray):
        return _from_bytes(bytes(source))
    if hasattr(source, "read"):
        return _from_bytes(_all_of(cast("BinaryIO", source)))
    if isinstance(source, Image.Image):
        image = upright(source)
    elif isinstance(source, np.ndarray | Tensor):
        image = Image.fromarray(picture_bytes(source))
    else:
        raise InputError(
            f"a picture cannot be made from {type(source).__name__}; give a file, bytes, PIL image or array"
        )
    rgb, alpha = rgb_and_alpha(image)
    return Picture(rgb, alpha, None, picture_sha256(rgb), has_recipe=isinstance(image.info.get(OWN_KEY), str))


def _all_of(source: BinaryIO) -> bytes:
    content = source.read(MAX_FILE + 1)
    if not isinstance(content, bytes):
        raise InputError("a picture's file must be opened in binary mode: open(path, 'rb')")
    if len(content) > MAX_FILE:
        raise InputError(f"the picture has more than {MAX_FILE >> 20} MB; give a smaller file")
    return content


def _from_bytes(content: bytes) -> Picture:
    """Read it as a file is read, and forget the name of that file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            return replace(_from_file(path), path_name=None, file=None)
        except InputError as error:
            raise InputError(str(error).replace(str(path), "given as bytes")) from error


def _from_file(path: Path) -> Picture:
    frame, notices = open_frame(path)
    with quiet():
        carried = read_carried(frame, path)
        image, notice = converted(turned(frame, carried.orientation))
        rgb, alpha = rgb_and_alpha(image)
    remarks = [*notices, *([notice] if notice else []), *carried.notices]
    deep = carried.deep if notice is None and carried.deep is not None and carried.deep.size == rgb.size else None
    carried = replace(carried, notices=tuple(remarks), icc=rgb.info.get("icc_profile"), deep=deep)
    has_recipe = isinstance(frame.info.get(OWN_KEY), str) or has_own_sidecar(path)
    return Picture(rgb, alpha, name_of(path), picture_sha256(rgb), carried, path.absolute(), has_recipe)


def picture_sha256(rgb: Image.Image) -> str:
    """Return the SHA-256 (hex) of the size and the decoded 8-bit RGB values."""
    rgb = rgb.convert("RGB")
    return sha256(f"{rgb.width}x{rgb.height}:", rgb.tobytes())
