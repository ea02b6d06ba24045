"""Pictures and change maps: loading, fitting to a model, pasting back and saving."""

from scumble.images.change_map import Channel, MapSource, Polarity, Reduction, describe_map, latent_map, load_map
from scumble.images.distance import distance_to
from scumble.images.fill import filled
from scumble.images.fit import Fit, FitMode, fit
from scumble.images.paste import paste, usual_feather
from scumble.images.picture import Picture, Source, load_image, picture_sha256
from scumble.images.psnr import decibels, psnr
from scumble.images.region import region
from scumble.images.save import check_target, save_image, sidecar_path
from scumble.images.tensors import to_bytes, to_image, to_tensor
from scumble.images.window import Box, Window

__all__ = [
    "Box",
    "Channel",
    "Fit",
    "FitMode",
    "MapSource",
    "Picture",
    "Polarity",
    "Reduction",
    "Source",
    "Window",
    "check_target",
    "decibels",
    "describe_map",
    "distance_to",
    "filled",
    "fit",
    "latent_map",
    "load_image",
    "load_map",
    "paste",
    "picture_sha256",
    "region",
    "psnr",
    "save_image",
    "sidecar_path",
    "to_bytes",
    "to_image",
    "to_tensor",
    "usual_feather",
]
