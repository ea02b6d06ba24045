"""Turning pictures as an EXIF orientation says, and back."""

from __future__ import annotations

from PIL import Image

__all__ = ["turned", "turned_back"]

_T = Image.Transpose
_UPRIGHT = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_270,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_90,
}
_BACK = {**_UPRIGHT, 6: _T.ROTATE_90, 8: _T.ROTATE_270}


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Return a picture as it lies in the file turned upright; the orientation is 1 to 8, others change nothing."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def turned_back(image: Image.Image, orientation: int) -> Image.Image:
    """Return an upright picture turned as it lies in a file of that orientation: the inverse of :func:`turned`."""
    return image.transpose(_BACK[orientation]) if orientation in _BACK else image
