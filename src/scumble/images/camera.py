"""Pictures that need a package of their own: HEIC from phones and raw files from cameras."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from PIL import Image

from scumble.errors import InputError

__all__ = ["developed", "is_heif", "is_raw", "read_heif"]

_RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_EXTRA = 'pip install "scumble[photos]"'


def is_raw(path: Path) -> bool:
    """Whether the name is that of a camera's raw file; its bytes often look like a TIFF."""
    return path.suffix.lower() in _RAW


def is_heif(path: Path) -> bool:
    """Whether the bytes are those of a HEIC file, whatever its name."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def read_heif() -> None:
    """Teach Pillow to open HEIC.

    Raises:
        InputError: If pillow-heif is not installed.
    """
    try:
        heif = import_module("pillow_heif")
    except ImportError as error:
        raise InputError(f"HEIC needs pillow-heif: {_EXTRA}") from error
    heif.register_heif_opener()


def developed(path: Path) -> tuple[Image.Image, list[str]]:
    """Return a raw file developed to sRGB with the camera's white balance, and how.

    Raises:
        InputError: If rawpy is not installed, or the file cannot be read.
    """
    try:
        rawpy = import_module("rawpy")
    except ImportError as error:
        raise InputError(f"raw files need rawpy: {_EXTRA}; or develop {path.name} to TIFF or PNG first") from error
    try:
        with rawpy.imread(str(path)) as raw:
            pixels = raw.postprocess(use_camera_wb=True, output_bps=8)
    except Exception as error:  # LibRaw's own exceptions are many
        raise InputError(f"the raw file {path} cannot be developed: {error}") from error
    notice = f"{path.name} was developed by rawpy {version('rawpy')}; its metadata is not carried"
    return Image.fromarray(pixels), [notice]
