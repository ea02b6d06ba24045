"""Makers of change maps: each returns an 8-bit gray image, white = change, black = keep."""

from scumble.maps.adjust import combine, levels
from scumble.maps.from_pictures import depth, from_file, luminance, segmentation
from scumble.maps.shapes import box, ellipse, linear, radial, strength_fan, strips
from scumble.maps.soften import blurred_mask

__all__ = [
    "blurred_mask",
    "box",
    "combine",
    "depth",
    "ellipse",
    "from_file",
    "levels",
    "linear",
    "luminance",
    "radial",
    "segmentation",
    "strength_fan",
    "strips",
]
