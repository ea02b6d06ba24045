"""Colors of a latent without its decoder: a linear map, fitted once per autoencoder and kept on the disk."""

from __future__ import annotations

import json
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.errors import InputError
from scumble.files import atomic_write
from scumble.models.base import Model
from scumble.models.content_mark import content_mark
from scumble.models.runtime.cache import cache_folder

__all__ = ["fit", "latent_colors"]

PICTURES, SIDE = 24, 128
"""Pictures that the map is fitted to, and their largest side in pixels."""
REACH = 3
"""Cells along a side that a color depends on: an autoencoder tells a color by its neighbors too."""

_known: WeakKeyDictionary[nn.Module, Tensor] = WeakKeyDictionary()


def latent_colors(model: Model, x0: Tensor) -> Tensor:
    """Return the color of each cell (B, 3, h, w) in about [-1, 1]; of pixel models it is ``x0`` itself.

    Where the model has a small decoder for previews, what that makes of it, at the size of the picture.
    """
    small_decoder = getattr(model, "decode_preview", None)
    if small_decoder is not None:
        decoded: Tensor = small_decoder(x0)
        return decoded
    vae: Any = getattr(model, "vae", None)
    if vae is None or model.factor == 1:
        return x0
    if vae not in _known:
        _known[vae] = _kept_or_fitted(model, vae)
    weights = _known[vae].to(x0)
    kernel = weights[:-1].T.reshape(3, x0.shape[1], REACH, REACH)
    return F.conv2d(_bordered(x0), kernel, weights[-1])


def fit(model: Model) -> Tensor:
    """Return the map (9 C + 1, 3), the constant last, by least squares on what encoded pictures decode to."""
    pictures = _pictures(min(SIDE, model.native_size) // model.multiple * model.multiple)
    with torch.no_grad():
        latents = [model.encode(one[None].to(model.device)) for one in pictures]
        colors = torch.cat([F.avg_pool2d(model.decode(one), model.factor) for one in latents]).cpu().double()
    values = F.unfold(_bordered(torch.cat(latents).cpu().double()), REACH).movedim(1, -1).flatten(0, 1)
    constant = torch.ones(len(values), 1, dtype=torch.float64)
    wanted = colors.movedim(1, -1).reshape(-1, 3)
    return torch.linalg.lstsq(torch.cat([values, constant], dim=1), wanted, driver="gelsd").solution.float()


def _bordered(x: Tensor) -> Tensor:
    return F.pad(x, (REACH // 2,) * 4, mode="replicate")


def _kept_or_fitted(model: Model, vae: nn.Module) -> Tensor:
    mark = content_mark(vae)
    file = None if mark is None else cache_folder() / "colors" / f"{mark[:32]}.json"
    shape = (REACH**2 * model.channels + 1, 3)
    try:
        stored = np.asarray(json.loads("" if file is None else file.read_text()), np.float32)
        if stored.shape == shape and np.isfinite(stored).all():
            return torch.from_numpy(stored)
    except (OSError, ValueError, TypeError, RecursionError):
        pass  # not there, or damaged: it is made again
    weights = fit(model)
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(file) as path:
                path.write_text(json.dumps(weights.tolist()))
    except (OSError, InputError):
        pass  # nowhere to keep it
    return weights


def _pictures(side: int) -> Tensor:
    """Pictures (N, 3, side, side) in [-1, 1]: smooth colors with rectangles of one color in front."""
    draw = np.random.Generator(np.random.Philox(key=1))
    pictures = []
    for _ in range(PICTURES):
        cells = int(draw.integers(2, 6))
        corners = torch.from_numpy(draw.uniform(-1, 1, (1, 3, cells, cells)))
        picture = F.interpolate(corners, (side, side), mode="bicubic", align_corners=False)[0]
        for _ in range(int(draw.integers(1, 5))):
            left, top = draw.integers(0, side - side // 4, 2)
            width, height = draw.integers(side // 5, side // 2, 2)
            picture[:, top : top + height, left : left + width] = torch.from_numpy(draw.uniform(-1, 1, (3, 1, 1)))
        pictures.append(picture.clamp(-1, 1).float())
    return torch.stack(pictures)
