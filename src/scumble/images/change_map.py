"""Change maps: where a picture may change (white, 1) and how strongly; 0 keeps a pixel byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scumble.core.polarity import Polarity
from scumble.errors import InputError, nearest
from scumble.images.arrays import as_unit, to_numpy
from scumble.images.decode import greys, open_file, upright

__all__ = ["Channel", "MapSource", "Polarity", "Reduction", "describe_map", "latent_map", "load_map"]

Channel = Literal["auto", "luminance", "alpha"]
Reduction = Literal["area", "bilinear", "max"]
MapSource = str | Path | Image.Image | npt.NDArray[Any] | Tensor | float

_ASPECT_TOLERANCE = 0.01
_LOSSY = (".jpg", ".jpeg", ".webp")
_NEARLY_BLACK = 8.5 / 255


def load_map(
    source: MapSource | Sequence[MapSource],
    size: tuple[int, int],
    polarity: Polarity = "white-changes",
    channel: Channel = "auto",
) -> tuple[Tensor, list[str]]:
    """Return the change map (1,1,H,W) float32 in [0,1] for a picture of ``size`` (width, height), and notices.

    From a file, PIL image, array (H,W), (H,W,3) or (H,W,4), one number for all pixels, or several maps, one per
    sample: a list, (B,H,W) or (B,1,H,W), giving (B,1,H,W). ``channel="auto"`` takes the alpha channel where the
    picture has one that is not opaque everywhere; where the luminance of such a picture is asked for, transparent
    pixels keep. A map of another size but the same aspect is resized. Raises InputError.
    """
    for word, known in ((polarity, Polarity), (channel, Channel)):
        if word not in get_args(known):
            raise InputError(f"{word!r} is not one of {', '.join(get_args(known))}{nearest(word, get_args(known))}")
    if isinstance(source, list | tuple):
        loaded = [load_map(one, size, polarity, channel) for one in source]
        if not loaded:
            raise InputError("the list of maps is empty")
        notices = dict.fromkeys(notice for _, remarks in loaded for notice in remarks)
        return torch.cat([tensor for tensor, _ in loaded]), list(notices)
    notices_: list[str] = []
    values = _values(source, size, polarity == "white-keeps", channel, notices_)
    if polarity == "white-keeps":
        values = 1.0 - values
    if isinstance(source, str | Path) and Path(source).suffix.lower() in _LOSSY:
        impure = int(((values > 0.0) & (values < _NEARLY_BLACK)).sum())
        if impure:
            notices_.append(f"{impure} pixels of the map are nearly but not quite 0 and may change; save it as PNG")
    tensor = torch.from_numpy(values.astype(np.float32))[:, None]
    return _resized(tensor, size, notices_), notices_


def describe_map(change_map: Tensor) -> str:
    """Return e.g. ``12.5 % of the pixels may change, mean strength 0.43`` (the mean over those that may change)."""
    may_change = change_map > 0
    count = int(may_change.sum())
    if count == 0:
        return "0 % of the pixels may change"
    percent = 100.0 * count / change_map.numel()
    text = f"{percent:.1f}".removesuffix(".0")
    if text == "0":
        text = "less than 0.1"
    elif text == "100" and count < change_map.numel():
        text = "more than 99.9"
    strength = float(change_map[may_change].double().mean())
    return f"{text} % of the pixels may change, mean strength {strength:.2f}"


def latent_map(change_map: Tensor, factor: int, how: Reduction = "area") -> Tensor:
    """Bring a map (B,1,H,W) to latent resolution (B,1,H/factor,W/factor).

    ``area`` (default) is the mean of each cell, exact for constant cells. It is small but positive where only a few
    pixels of a cell may change; ``max`` gives such a cell its strongest pixel. ``bilinear`` samples between the four
    central pixels as the published Differential Diffusion code does (arXiv 2306.00950), and can miss thin lines.
    """
    if how not in get_args(Reduction):
        raise InputError(f"{how!r} is not one of {', '.join(get_args(Reduction))}{nearest(how, get_args(Reduction))}")
    height, width = change_map.shape[-2:]
    if height % factor or width % factor:
        raise InputError(f"a map of {width}x{height} cannot be divided into cells of {factor}x{factor} pixels")
    if how == "bilinear":
        shape = (height // factor, width // factor)
        return F.interpolate(change_map, size=shape, mode="bilinear", align_corners=False, antialias=False)
    if how == "max":
        return F.max_pool2d(change_map, factor)
    # float64: the mean of equal values must be that value to the last bit.
    return F.avg_pool2d(change_map.double(), factor).to(change_map.dtype)


def _values(
    source: object, size: tuple[int, int], white_keeps: bool, channel: Channel, notices: list[str]
) -> npt.NDArray[np.float64]:
    if isinstance(source, int | float) and not isinstance(source, bool):
        return np.broadcast_to(as_unit(np.array(float(source)), "map"), (1, size[1], size[0]))
    if isinstance(source, np.ndarray | Tensor):
        return _from_array(source, size, white_keeps, channel, notices)
    if isinstance(source, str | Path):
        image = open_file(source, "map")
    elif isinstance(source, Image.Image):
        image = upright(source, "map")
    else:
        raise InputError(f"a map cannot be made from {type(source).__name__}; give a file, PIL image, array or number")
    return _one_plane(*greys(image), white_keeps, channel, notices)[None]


def _from_array(
    source: npt.NDArray[Any] | Tensor, size: tuple[int, int], white_keeps: bool, channel: Channel, notices: list[str]
) -> npt.NDArray[np.float64]:
    values = as_unit(to_numpy(source), "map")
    if values.ndim == 2:
        values = values[None]
    elif values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    elif isinstance(source, np.ndarray) and _has_channels(values.shape, size):
        alpha = values[..., 3] if values.shape[2] == 4 else None
        grey = values[..., 0] if values.shape[2] == 1 else values[..., :3] @ np.array([0.299, 0.587, 0.114])
        return _one_plane(np.clip(grey, 0.0, 1.0), alpha, white_keeps, channel, notices)[None]
    elif values.ndim != 3:
        raise InputError(f"a map of shape {tuple(source.shape)} cannot be used; give (H,W), (B,H,W) or (B,1,H,W)")
    if channel == "alpha":
        raise InputError("the map has no alpha channel; use channel='luminance'")
    return values


def _has_channels(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether (H,W,C) rather than (B,H,W) is meant; the picture's own size decides where both could be."""
    return len(shape) == 3 and shape[2] in (1, 3, 4) and shape[1:] != (size[1], size[0])


def _one_plane(
    grey: npt.NDArray[np.float64],
    alpha: npt.NDArray[np.float64] | None,
    white_keeps: bool,
    channel: Channel,
    notices: list[str],
) -> npt.NDArray[np.float64]:
    if channel == "alpha" and alpha is None:
        raise InputError("the map has no alpha channel; use channel='luminance'")
    if alpha is None or (channel == "auto" and bool((alpha == 1.0).all())):
        return grey
    if channel == "luminance":
        keep = 1.0 if white_keeps else 0.0
        return grey * alpha + keep * (1.0 - alpha)
    if channel == "auto":
        notices.append("the map's alpha channel is used; say channel luminance to use its brightness instead")
    return alpha


def _resized(tensor: Tensor, size: tuple[int, int], notices: list[str]) -> Tensor:
    width, height = size
    map_height, map_width = tensor.shape[-2:]
    if (map_width, map_height) == (width, height):
        return tensor
    # The same shape to within 1 %, or as near as rounding the sides of the smaller to whole pixels allows.
    difference = abs(map_width * height - map_height * width)
    rounding = 0.5 * max(width + height, map_width + map_height)
    if difference > max(_ASPECT_TOLERANCE * map_width * height, rounding):
        raise InputError(
            f"the map is {map_width}x{map_height} and the picture {width}x{height}: another shape; "
            "crop or redraw the map so that both show the same place"
        )
    notices.append(f"the map was resized from {map_width}x{map_height} to {width}x{height}")
    # float64: the mean of equal values must be that value to the last bit.
    resized = F.interpolate(tensor.double(), size=(height, width), mode="bilinear", align_corners=False, antialias=True)
    return resized.clamp(0.0, 1.0).float()
