"""Models: encode, decode, embed, predict; loading; taps. Heavy imports wait until a name is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scumble.models.base import Model
    from scumble.models.latent import LatentModel
    from scumble.models.loading import BUNDLED, from_pipe, load
    from scumble.models.pixel import PixelModel
    from scumble.models.sites import Site, sites
    from scumble.models.taps import Tap, attached
    from scumble.models.unet_halves import EncoderCache, decode_half, encode_half

__all__ = [
    "BUNDLED",
    "EncoderCache",
    "LatentModel",
    "Model",
    "PixelModel",
    "Site",
    "Tap",
    "attached",
    "decode_half",
    "encode_half",
    "from_pipe",
    "load",
    "sites",
]

_HOMES = {
    "BUNDLED": "loading",
    "EncoderCache": "unet_halves",
    "LatentModel": "latent",
    "Model": "base",
    "PixelModel": "pixel",
    "Site": "sites",
    "Tap": "taps",
    "attached": "taps",
    "decode_half": "unet_halves",
    "encode_half": "unet_halves",
    "from_pipe": "loading",
    "load": "loading",
    "sites": "sites",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"scumble.models.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
